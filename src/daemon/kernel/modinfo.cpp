#include "daemon/kernel/modinfo.hpp"

#include "base/error.hpp"
#include "daemon/kernel/bytes.hpp"

#include <elf.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace banger {

namespace {

constexpr size_t max_info = 1 << 20;
constexpr size_t max_names = 256;
constexpr size_t max_name = 56; // MODULE_NAME_LEN

[[noreturn]] void damaged(const std::string& why) {
    throw Error(ErrorCode::InvalidArgument, "not a kernel module: " + why);
}

bool is_module_name(std::string_view name) {
    return !name.empty() && name.size() <= max_name &&
           std::all_of(name.begin(), name.end(),
                       [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-'; });
}

std::string normal(std::string_view name) {
    std::string result(name);
    std::replace(result.begin(), result.end(), '-', '_');
    return result;
}

/// The bytes of a section by its name.
std::string_view section(std::string_view elf, std::string_view name) {
    Elf64_Ehdr header;
    if (!elf.starts_with("\177ELF") || !copy_out(elf, 0, header) || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_ident[EI_DATA] != ELFDATA2LSB)
        damaged("it is no 64-bit ELF file");
    if (header.e_type != ET_REL || header.e_shentsize != sizeof(Elf64_Shdr))
        damaged("it is no relocatable object");
    const auto table = slice(elf, header.e_shoff, uint64_t{header.e_shnum} * sizeof(Elf64_Shdr));
    Elf64_Shdr names;
    if (!table || !copy_out(*table, uint64_t{header.e_shstrndx} * sizeof names, names))
        damaged("its section table lies outside the file");
    const auto texts = slice(elf, names.sh_offset, names.sh_size);
    if (!texts)
        damaged("its section names lie outside the file");
    for (uint64_t i = 0; i < header.e_shnum; ++i) {
        Elf64_Shdr candidate;
        copy_out(*table, i * sizeof candidate, candidate);
        if (candidate.sh_name >= texts->size())
            continue;
        const auto rest = texts->substr(candidate.sh_name);
        if (rest.substr(0, rest.find('\0')) != name || candidate.sh_type == SHT_NOBITS)
            continue;
        const auto content = slice(elf, candidate.sh_offset, candidate.sh_size);
        if (!content)
            damaged("a section lies outside the file");
        return *content;
    }
    damaged("it says nothing about itself");
}

/// "a,b c" → a, b, c.
void add_names(std::vector<std::string>& names, std::string_view list, std::string_view separators) {
    while (!list.empty()) {
        const auto end = std::min(list.find_first_of(separators), list.size());
        const auto name = list.substr(0, end);
        list.remove_prefix(std::min(end + 1, list.size()));
        if (name.empty())
            continue;
        if (!is_module_name(name) || names.size() >= max_names)
            damaged("it names impossible dependencies");
        names.push_back(normal(name));
    }
}

/// "pre: crc32c post: other" → crc32c.
void add_softdeps(std::vector<std::string>& names, std::string_view value) {
    const auto pre = value.find("pre: ");
    if (pre == value.npos)
        return;
    auto list = value.substr(pre + 5);
    add_names(names, list.substr(0, list.find("post:")), " ");
}

} // namespace

ModInfo read_modinfo(std::string_view elf) {
    auto info = section(elf, ".modinfo");
    if (info.size() > max_info)
        damaged("it says too much about itself");
    ModInfo result;
    while (!info.empty()) {
        const auto entry = info.substr(0, info.find('\0'));
        info.remove_prefix(std::min(entry.size() + 1, info.size()));
        const auto equals = entry.find('=');
        if (equals == entry.npos)
            continue;
        const auto key = entry.substr(0, equals);
        const auto value = entry.substr(equals + 1);
        if (key == "name" && is_module_name(value))
            result.name = normal(value);
        else if (key == "depends")
            add_names(result.depends, value, ",");
        else if (key == "softdep")
            add_softdeps(result.softdeps, value);
        else if (key == "vermagic")
            result.release = value.substr(0, std::min<size_t>(value.find(' '), 128));
    }
    return result;
}

std::string module_name(std::string_view file) {
    constexpr std::array<std::string_view, 5> endings{".ko", ".ko.xz", ".ko.zst", ".ko.gz", ".ko.bz2"};
    if (const auto slash = file.rfind('/'); slash != file.npos)
        file.remove_prefix(slash + 1);
    for (const auto ending : endings)
        if (file.ends_with(ending)) {
            const auto stem = file.substr(0, file.size() - ending.size());
            return is_module_name(stem) ? normal(stem) : std::string();
        }
    return is_module_name(file) ? normal(file) : std::string();
}

} // namespace banger
