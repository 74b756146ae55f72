// What a kernel module says about itself, read from its ELF file without trusting it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace banger {

struct ModInfo {
    std::string name;                  ///< "virtio_blk"; empty when it does not say
    std::vector<std::string> depends;  ///< modules that must be loaded before
    std::vector<std::string> softdeps; ///< modules, or aliases of such, that had better be loaded before
    std::string release;               ///< of the kernel it was made for, from "vermagic"
};

/// Reads the section .modinfo of a 64-bit little-endian ELF object. Throws InvalidArgument for anything else,
/// and for tables that point outside of it.
ModInfo read_modinfo(std::string_view elf);

/// "virtio-rng.ko.xz" and "virtio_rng" → "virtio_rng": the kernel takes dashes and underscores for the same
/// (modprobe.d(5)). Empty for a file that is no module.
std::string module_name(std::string_view file);

} // namespace banger
