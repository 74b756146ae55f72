// A stranger's tar, written into a small image, once as a whole and once as a layer over itself.
#include "base/error.hpp"
#include "daemon/image/assemble.hpp"
#include "daemon/image/ext4_format.hpp"

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace {

/// One image per process: to format for each input would be most of the time.
struct Template {
    // In memory where there is such a place: closing an image waits for the disk.
    std::string path = (std::filesystem::exists("/dev/shm") ? "/dev/shm" : "/tmp") +
                       std::string("/banger-fuzz-") + std::to_string(::getpid());
    std::string empty = path + ".empty";
    Template() { banger::make_ext4(empty, 8 << 20, {}); }
    ~Template() {
        ::unlink(path.c_str());
        ::unlink(empty.c_str());
    }
};

/// Mends the checksum of everything that looks like a header (tar(5)), or hardly a changed one would get any
/// further.
void mend_checksums(std::string& tar) {
    constexpr size_t block = 512, at_sum = 148, sum_size = 8, at_magic = 257;
    for (size_t at = 0; at + block <= tar.size(); at += block) {
        if (tar.compare(at + at_magic, 5, "ustar") != 0)
            continue;
        tar.replace(at + at_sum, sum_size, sum_size, ' ');
        unsigned sum = 0;
        for (size_t i = 0; i < block; ++i)
            sum += static_cast<unsigned char>(tar[at + i]);
        char text[16];
        std::snprintf(text, sizeof text, "%06o", sum);
        tar.replace(at + at_sum, 7, text, 7);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const Template files;
    std::filesystem::copy_file(files.empty, files.path, std::filesystem::copy_options::overwrite_existing);
    std::string bytes(reinterpret_cast<const char*>(data), size);
    mend_checksums(bytes);
    banger::AssembleOptions options;
    options.limits = {1000, 4 << 20, 1 << 20};
    try {
        banger::ImageAssembler assembler(files.path, options, {});
        assembler.add(banger::read_from(bytes), "input", true);
        assembler.add(banger::read_from(bytes), "input", true);
        assembler.finish();
    } catch (const banger::Error&) {
        return 0;
    }
    // What was accepted must be a clean filesystem. Asked now and then only: a process each time would be
    // slow.
    static unsigned accepted = 0;
    if (++accepted % 64 == 1 &&
        std::system(("/sbin/e2fsck -fn " + files.path + " >/dev/null 2>&1").c_str()) != 0)
        std::abort();
    return 0;
}
