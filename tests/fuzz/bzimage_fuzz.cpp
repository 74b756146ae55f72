// A kernel file of a stranger: told apart, taken apart, unpacked.
#include "base/error.hpp"
#include "daemon/kernel/bzimage.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    try {
        banger::elf_kernel_version(bytes);
        if (banger::kernel_format(bytes) == banger::KernelFormat::BzImage)
            banger::check_elf_kernel(banger::unpack_bzimage(banger::parse_bzimage(bytes)));
        else
            banger::check_elf_kernel(bytes);
    } catch (const banger::Error&) {
        return 0;
    }
    return 0;
}
