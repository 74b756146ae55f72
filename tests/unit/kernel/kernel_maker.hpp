// Hand-made kernels and modules for tests.
#pragma once

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace banger::test {

template <class T>
void put(std::string& bytes, size_t at, const T& value) {
    if (bytes.size() < at + sizeof value)
        bytes.resize(at + sizeof value, '\0');
    std::memcpy(bytes.data() + at, &value, sizeof value);
}

/// The smallest ELF that passes for a kernel: one segment, and the banner.
inline std::string elf_kernel(std::string_view version = "6.1.0-test") {
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_type = ET_EXEC;
    header.e_machine = EM_X86_64;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 1;
    Elf64_Phdr segment{};
    segment.p_type = PT_LOAD;
    segment.p_offset = 256;
    segment.p_filesz = 4096;
    std::string bytes;
    put(bytes, 0, header);
    put(bytes, sizeof header, segment);
    bytes.resize(256 + 4096, '\x90');
    const auto banner = "Linux version " + std::string(version) + " (builder) #1";
    bytes.replace(300, banner.size() + 1, banner.c_str(), banner.size() + 1);
    return bytes;
}

/// A bzImage around a payload that is packed already; its size is appended unless `is_gzip`.
inline std::string bzimage(std::string payload, uint32_t unpacked_size, bool is_gzip = false,
                           std::string_view version = "6.1.0-test (builder)") {
    constexpr size_t setup = 512 * 5;
    if (!is_gzip)
        put(payload, payload.size(), unpacked_size);
    std::string bytes(setup, '\0');
    bytes[0x1f1] = 4;
    put(bytes, 0x1fe, uint16_t{0xaa55});
    bytes.replace(0x202, 4, "HdrS");
    put(bytes, 0x206, uint16_t{0x20f});
    put(bytes, 0x20e, uint16_t{0x300});
    bytes.replace(0x300 + 512, version.size(), version);
    put(bytes, 0x248, uint32_t{64});
    put(bytes, 0x24c, static_cast<uint32_t>(payload.size()));
    return bytes + std::string(64, '\0') + payload + std::string(100, 'z');
}

/// An ELF object with a .modinfo of the given text (entries end in NUL).
inline std::string module_object(std::string_view info) {
    constexpr std::string_view names("\0.modinfo\0.shstrtab\0", 20);
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_type = ET_REL;
    header.e_machine = EM_X86_64;
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = 3;
    header.e_shstrndx = 2;
    std::string bytes(sizeof header, '\0');
    Elf64_Shdr sections[3]{};
    sections[1].sh_name = 1;
    sections[1].sh_type = SHT_PROGBITS;
    sections[1].sh_offset = bytes.size();
    sections[1].sh_size = info.size();
    bytes += info;
    sections[2].sh_name = 10;
    sections[2].sh_type = SHT_STRTAB;
    sections[2].sh_offset = bytes.size();
    sections[2].sh_size = names.size();
    bytes += names;
    header.e_shoff = bytes.size();
    put(bytes, bytes.size(), sections);
    put(bytes, 0, header);
    return bytes;
}

/// The same for a module that depends on others ("a,b") and softly on more ("pre: c").
inline std::string module_needing(std::string_view depends, std::string_view softdep = {}) {
    std::string info = "license=GPL";
    info += '\0';
    info += "depends=" + std::string(depends);
    info += '\0';
    if (!softdep.empty()) {
        info += "softdep=" + std::string(softdep);
        info += '\0';
    }
    return module_object(info);
}

} // namespace banger::test
