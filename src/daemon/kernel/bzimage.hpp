// Kernel images: what a file is, and the ELF kernel that lies packed inside a bzImage.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace banger {

enum class KernelFormat { Elf, BzImage, Unknown };

/// Told by its first bytes alone; what follows is checked by those who read it.
KernelFormat kernel_format(std::string_view bytes);

/// Where the packed kernel stands in a bzImage (Documentation/arch/x86/boot.rst, protocol 2.08 and later).
struct BzImage {
    std::string_view payload; ///< compressed, with the unpacked size in its last four bytes
    std::string version;      ///< "6.1.0-56-cloud-amd64"; empty when the header names none
};

/// Throws InvalidArgument for anything that does not lie within `bytes`.
BzImage parse_bzimage(std::string_view bytes);

/// Unpacks a bzImage's payload: gzip, bzip2, lzma, xz, lz4 or zstd. At most 512 MiB come out. Throws
/// InvalidArgument for damage, Unsupported for another compression (lzo).
std::string unpack_bzimage(const BzImage& image);

/// Checks that `bytes` is a 64-bit little-endian x86 kernel with something to load; throws InvalidArgument
/// otherwise.
void check_elf_kernel(std::string_view bytes);
/// The release in the banner "Linux version 6.1.0-… (" of an unpacked kernel; empty when there is none.
std::string elf_kernel_version(std::string_view bytes);

} // namespace banger
