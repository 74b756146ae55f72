#include "install/metadata.hpp"

#include "base/error.hpp"
#include "base/fd.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <limits>
#include <optional>
#include <sstream>

namespace banger::install {

namespace {

constexpr size_t metadata_limit = 256 << 10;
constexpr unsigned overflow_uid = 65534; // nobody: what unmapped ids look like

/// A reader of one TOML file's tables, whose errors name the file.
class Reader {
public:
    explicit Reader(const std::string& origin)
        : origin_(origin) {}

    [[noreturn]] void refuse(const std::string& what) const {
        throw Error(ErrorCode::FailedPrecondition, origin_ + ": " + what,
                    "run `banger system install` again to write it anew");
    }

    void only_keys(const toml::table& table, std::initializer_list<std::string_view> known) const {
        for (const auto& [key, value] : table)
            if (std::find(known.begin(), known.end(), key.str()) == known.end())
                refuse("unknown key \"" + std::string(key.str()) + "\"");
    }

    std::string text(const toml::table& table, std::string_view key,
                     std::optional<std::string> absent = {}) const {
        const auto* node = table.get(key);
        if (!node && absent)
            return *absent;
        const auto value = node ? node->value_exact<std::string>() : std::nullopt;
        if (!value)
            refuse("\"" + std::string(key) + "\" must be a string");
        return *value;
    }

    unsigned id(const toml::table& table, std::string_view key) const {
        const auto* node = table.get(key);
        const auto value = node ? node->value_exact<int64_t>() : std::nullopt;
        if (!value || *value < 0 || *value > std::numeric_limits<unsigned>::max())
            refuse("\"" + std::string(key) + "\" must be a user or group id");
        return static_cast<unsigned>(*value);
    }

    bool flag(const toml::table& table, std::string_view key, bool absent) const {
        const auto* node = table.get(key);
        const auto value = node ? node->value_exact<bool>() : absent;
        if (!value)
            refuse("\"" + std::string(key) + "\" must be true or false");
        return *value;
    }

    /// The tables of `[[key]]`; none when there is no such key.
    std::vector<const toml::table*> tables(const toml::table& table, std::string_view key) const {
        std::vector<const toml::table*> result;
        const auto* node = table.get(key);
        if (node && !node->is_array())
            refuse("\"" + std::string(key) + "\" must be written as [[" + std::string(key) + "]]");
        if (node)
            for (const auto& element : *node->as_array()) {
                if (!element.is_table())
                    refuse("\"" + std::string(key) + "\" must be written as [[" + std::string(key) + "]]");
                result.push_back(element.as_table());
            }
        return result;
    }

    Owner owner(const toml::table& table) const {
        only_keys(table, {"name", "uid", "gid"});
        return {text(table, "name"), id(table, "uid"), id(table, "gid")};
    }

    Paths paths(const toml::table& table) const {
        only_keys(table, {"bindir", "firecracker", "jailer"});
        Paths result;
        result.bindir = text(table, "bindir", result.bindir);
        result.firecracker = text(table, "firecracker", "");
        result.jailer = text(table, "jailer", "");
        return result;
    }

    InstalledFile file(const toml::table& table) const {
        only_keys(table, {"path", "sha256", "previous", "written", "foreign"});
        return {text(table, "path"), text(table, "sha256"), text(table, "previous", ""),
                flag(table, "written", true), text(table, "foreign", "")};
    }

    Metadata metadata(const toml::table& table) const {
        only_keys(table, {"version", "owner", "leaving", "paths", "file"});
        Metadata result;
        result.version = text(table, "version");
        for (const auto* each : tables(table, "owner"))
            result.owners.push_back(owner(*each));
        for (const auto* each : tables(table, "leaving"))
            result.leaving.push_back(owner(*each));
        for (const auto* each : tables(table, "file"))
            result.files.push_back(file(*each));
        if (const auto* node = table.get("paths")) {
            if (!node->is_table())
                refuse("paths must be written as [paths]");
            result.paths = paths(*node->as_table());
        }
        return result;
    }

private:
    const std::string& origin_;
};

/// useradd(8)'s names, and those of directory services (user@domain); nothing that XML, JavaScript or a shell
/// would read otherwise. Not all digits, which dbus-daemon would take for a uid.
bool is_account_name(std::string_view name) {
    const auto is_letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    };
    const auto is_other = [](char c) { return (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '@'; };
    return !name.empty() && name.size() <= 64 && is_letter(name.front()) &&
           std::all_of(name.begin(), name.end(), [&](char c) { return is_letter(c) || is_other(c); });
}

bool is_plain_path(std::string_view path) {
    return path.starts_with('/') && path.size() < 4096 &&
           std::none_of(path.begin(), path.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

void check_paths(const Paths& paths) {
    auto refuse = [](const std::string& path) {
        throw Error(ErrorCode::InvalidArgument, "\"" + path + "\" is not an absolute path");
    };
    if (!is_plain_path(paths.bindir))
        refuse(paths.bindir);
    for (const auto& path : {paths.firecracker, paths.jailer})
        if (!path.empty() && !is_plain_path(path))
            refuse(path);
}

bool is_hash(std::string_view text) {
    return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

void check_file(const InstalledFile& file) {
    if (!is_plain_path(file.path))
        throw Error(ErrorCode::InvalidArgument, "\"" + file.path + "\" is not an absolute path");
    const auto is_hash_or_none = [](const std::string& text) { return text.empty() || is_hash(text); };
    if (!is_hash(file.sha256) || !is_hash_or_none(file.previous) || !is_hash_or_none(file.foreign))
        throw Error(ErrorCode::InvalidArgument, file.path + " has no SHA-256 hash");
}

void check_owners(const std::vector<Owner>& owners) {
    for (size_t i = 0; i < owners.size(); ++i) {
        const auto& owner = owners[i];
        if (!is_account_name(owner.name))
            throw Error(ErrorCode::InvalidArgument, "\"" + owner.name + "\" is not a plain account name");
        if (owner.uid == 0 || owner.gid == 0)
            throw Error(ErrorCode::InvalidArgument,
                        "root cannot be an owner: virtual machines run as their owner",
                        "register an ordinary account");
        if (owner.uid == overflow_uid || owner.uid == ~0U || owner.gid == ~0U)
            throw Error(ErrorCode::InvalidArgument, owner.name + " has no usable uid or gid");
        for (size_t j = 0; j < i; ++j)
            if (owners[j].uid == owner.uid || owners[j].name == owner.name)
                throw Error(ErrorCode::InvalidArgument, "owner " + owner.name + " is registered twice");
    }
}

toml::array to_toml(const std::vector<Owner>& owners) {
    toml::array tables;
    for (const auto& owner : owners)
        tables.push_back(
            toml::table{{"name", owner.name}, {"uid", int64_t{owner.uid}}, {"gid", int64_t{owner.gid}}});
    return tables;
}

} // namespace

const Owner* Metadata::owner(unsigned uid) const noexcept {
    const auto found =
        std::find_if(owners.begin(), owners.end(), [&](const auto& o) { return o.uid == uid; });
    return found == owners.end() ? nullptr : &*found;
}

const InstalledFile* Metadata::file(std::string_view path) const noexcept {
    const auto found =
        std::find_if(files.begin(), files.end(), [&](const auto& f) { return f.path == path; });
    return found == files.end() ? nullptr : &*found;
}

void check(const Metadata& metadata) {
    check_owners(metadata.owners);
    check_owners(metadata.leaving);
    check_paths(metadata.paths);
    for (const auto& file : metadata.files)
        check_file(file);
}

Metadata parse_metadata(std::string_view text, const std::string& origin) {
    const Reader reader(origin);
    try {
        auto metadata = reader.metadata(toml::parse(text, origin));
        check(metadata);
        return metadata;
    } catch (const toml::parse_error& error) {
        reader.refuse("line " + std::to_string(error.source().begin.line) + ": " +
                      std::string(error.description()));
    } catch (const Error& error) {
        if (error.code() == ErrorCode::InvalidArgument)
            reader.refuse(error.message());
        throw;
    }
}

Metadata read_metadata(const std::string& path) {
    // O_NONBLOCK: somebody's FIFO must not hold us up.
    const OwnedFd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file && errno == ENOENT)
        throw Error(ErrorCode::NotFound, "banger is not installed on this system: there is no " + path,
                    "run `banger system install --owner USER` as root");
    if (!file)
        throw_errno("open " + path);
    struct stat status{};
    if (::fstat(file.get(), &status) < 0)
        throw_errno("stat " + path);
    if (!S_ISREG(status.st_mode) || status.st_uid != 0 || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        throw Error(ErrorCode::FailedPrecondition,
                    path + " is not a regular file that only root can write, and is not trusted",
                    "find out who changed it, then run `banger system install` again");
    return parse_metadata(read_all(file.get(), metadata_limit, path), path);
}

std::string render_metadata(const Metadata& metadata) {
    check(metadata);
    toml::array files;
    for (const auto& file : metadata.files) {
        toml::table entry{{"path", file.path}, {"sha256", file.sha256}};
        if (!file.previous.empty())
            entry.insert("previous", file.previous);
        if (!file.written)
            entry.insert("written", false);
        if (!file.foreign.empty())
            entry.insert("foreign", file.foreign);
        files.push_back(std::move(entry));
    }
    toml::table paths{{"bindir", metadata.paths.bindir}};
    if (!metadata.paths.firecracker.empty())
        paths.insert("firecracker", metadata.paths.firecracker);
    if (!metadata.paths.jailer.empty())
        paths.insert("jailer", metadata.paths.jailer);
    toml::table root{{"version", metadata.version}, {"paths", std::move(paths)}};
    if (!metadata.owners.empty())
        root.insert("owner", to_toml(metadata.owners));
    if (!metadata.leaving.empty())
        root.insert("leaving", to_toml(metadata.leaving));
    if (!files.empty())
        root.insert("file", std::move(files));
    std::ostringstream text;
    text << "# Written by `banger system install`; change it with that command.\n"
         << toml::toml_formatter{root} << "\n";
    return text.str();
}

} // namespace banger::install
