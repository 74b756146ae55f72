#include "base/accelerator.hpp"

#include "base/fd.hpp"
#include "base/file.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace banger {

namespace {

bool has_word(std::string_view line, std::string_view word) {
    for (size_t at = line.find(word); at != std::string_view::npos; at = line.find(word, at + 1)) {
        const bool begins = at == 0 || line[at - 1] == ' ' || line[at - 1] == '\t';
        const bool ends = at + word.size() == line.size() || line[at + word.size()] == ' ';
        if (begins && ends)
            return true;
    }
    return false;
}

} // namespace

bool has_virtualization(std::string_view cpuinfo) {
    const auto flags = cpuinfo.find("\nflags");
    if (flags == std::string_view::npos)
        return false;
    auto line = cpuinfo.substr(flags + 1);
    line = line.substr(0, line.find('\n'));
    return has_word(line, "vmx") || has_word(line, "svm");
}

std::string accelerator() {
    const OwnedFd kvm(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
#if defined(__x86_64__) || defined(__i386__)
    return kvm && has_virtualization(read_file("/proc/cpuinfo")) ? "kvm" : "tcg";
#else
    return kvm ? "kvm" : "tcg";
#endif
}

} // namespace banger
