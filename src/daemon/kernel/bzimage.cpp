#include "daemon/kernel/bzimage.hpp"

#include "base/error.hpp"
#include "daemon/image/archive_reader.hpp"
#include "daemon/kernel/bytes.hpp"

#include <elf.h>

#include <algorithm>
#include <array>
#include <utility>

namespace banger {

namespace {

constexpr std::string_view elf_magic = "\177ELF";
constexpr size_t sector = 512;
constexpr uint64_t max_kernel = 512 << 20;
constexpr size_t max_version = 128;
constexpr uint64_t max_program_headers = 1000;

// Offsets in the setup header, from the file's start.
constexpr size_t at_setup_sectors = 0x1f1;
constexpr size_t at_boot_flag = 0x1fe;
constexpr size_t at_magic = 0x202;
constexpr size_t at_protocol = 0x206;
constexpr size_t at_version_pointer = 0x20e;
constexpr size_t at_payload_offset = 0x248;
constexpr size_t at_payload_length = 0x24c;
constexpr uint16_t protocol_with_payload = 0x208;

[[noreturn]] void damaged(std::string why) {
    throw Error(ErrorCode::InvalidArgument, "not a usable kernel: " + std::move(why),
                "give a bzImage (vmlinuz), an ELF vmlinux, or a Debian linux-image package for x86-64");
}

/// Up to the first space; only what a release is made of.
std::string release_at(std::string_view text) {
    const auto is_fine = [](unsigned char c) {
        return c > 0x20 && c < 0x7f && c != '/' && c != '"' && c != '\\';
    };
    const auto end =
        std::find_if_not(text.begin(), text.begin() + std::min(text.size(), max_version), is_fine);
    return {text.begin(), end};
}

} // namespace

KernelFormat kernel_format(std::string_view bytes) {
    if (bytes.starts_with(elf_magic))
        return KernelFormat::Elf;
    if (bytes.size() > at_magic + 4 && bytes.substr(at_magic, 4) == "HdrS" &&
        little_endian<uint16_t>(bytes, at_boot_flag) == 0xaa55)
        return KernelFormat::BzImage;
    return KernelFormat::Unknown;
}

BzImage parse_bzimage(std::string_view bytes) {
    if (kernel_format(bytes) != KernelFormat::BzImage)
        damaged("it has no boot header");
    if (little_endian<uint16_t>(bytes, at_protocol).value_or(0) < protocol_with_payload)
        damaged("its boot protocol is older than 2.08");
    const auto offset = little_endian<uint32_t>(bytes, at_payload_offset);
    const auto length = little_endian<uint32_t>(bytes, at_payload_length);
    if (!offset || !length)
        damaged("it is cut short");
    const auto sectors = static_cast<unsigned char>(bytes[at_setup_sectors]);
    const uint64_t setup = (uint64_t{sectors ? sectors : 4U} + 1) * sector; // 0 means 4, for history's sake
    const uint64_t start = setup + *offset;
    if (*length < 8 || start > bytes.size() || *length > bytes.size() - start)
        damaged("its payload lies outside the file");
    BzImage image{bytes.substr(start, *length), {}};
    if (const auto pointer = little_endian<uint16_t>(bytes, at_version_pointer).value_or(0);
        pointer != 0 && pointer + sector < std::min<uint64_t>(setup, bytes.size()))
        image.version = release_at(bytes.substr(pointer + sector));
    return image;
}

std::string unpack_bzimage(const BzImage& image) {
    const auto& payload = image.payload;
    if (payload.size() < 8)
        damaged("its payload is empty");
    if (payload.starts_with("\x89LZO"))
        throw Error(ErrorCode::Unsupported, "the kernel is packed with LZO, which cannot be unpacked here",
                    "unpack it with the kernel's scripts/extract-vmlinux and import the vmlinux");
    const uint64_t size = little_endian<uint32_t>(payload, payload.size() - 4).value_or(0);
    if (size == 0 || size > max_kernel)
        damaged("its unpacked size is out of range");
    // gzip ends in that size by itself; to the others the build appends it (scripts/Makefile.lib,
    // size_append).
    const bool is_gzip = payload.starts_with("\x1f\x8b");
    ArchiveReader reader(read_from(is_gzip ? payload : payload.substr(0, payload.size() - 4)),
                         ArchiveKind::Raw, "the kernel's payload");
    if (!reader.next())
        damaged("its payload is empty");
    std::string kernel;
    std::array<char, 64 << 10> buffer;
    while (kernel.size() < size) {
        const auto n = reader.read(buffer.data(), std::min<uint64_t>(buffer.size(), size - kernel.size()));
        if (n == 0)
            damaged("its payload is cut short");
        kernel.append(buffer.data(), n);
    }
    return kernel;
}

void check_elf_kernel(std::string_view bytes) {
    Elf64_Ehdr header;
    if (!bytes.starts_with(elf_magic) || !copy_out(bytes, 0, header))
        damaged("it is no ELF file");
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
        header.e_machine != EM_X86_64)
        damaged("it is not for x86-64");
    if ((header.e_type != ET_EXEC && header.e_type != ET_DYN) || header.e_phentsize != sizeof(Elf64_Phdr) ||
        header.e_phnum > max_program_headers)
        damaged("it is no executable");
    bool loads = false;
    for (uint64_t i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr segment;
        if (header.e_phoff > bytes.size() || !copy_out(bytes, header.e_phoff + i * sizeof segment, segment))
            damaged("its program headers lie outside the file");
        if (segment.p_type != PT_LOAD)
            continue;
        if (segment.p_offset > bytes.size() || segment.p_filesz > bytes.size() - segment.p_offset)
            damaged("a segment lies outside the file");
        loads = loads || segment.p_filesz > 0;
    }
    if (!loads)
        damaged("it holds nothing to load");
}

std::string elf_kernel_version(std::string_view bytes) {
    constexpr std::string_view banner = "Linux version ";
    for (auto at = bytes.find(banner); at != bytes.npos; at = bytes.find(banner, at + 1)) {
        const auto release = release_at(bytes.substr(at + banner.size()));
        if (!release.empty() && release.front() >= '0' &&
            release.front() <= '9') // the same words stand in other texts
            return release;
    }
    return {};
}

} // namespace banger
