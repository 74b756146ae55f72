#include "agent/users.hpp"

#include "base/error.hpp"
#include "base/file.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace banger::agent {

namespace {

constexpr size_t max_file = 4 << 20;
constexpr size_t max_groups = 1024;

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const auto end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == text.npos)
            return parts;
        text.remove_prefix(end + 1);
    }
}

std::optional<unsigned> number(std::string_view text) {
    unsigned value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || problem != std::errc{} || end != text.data() + text.size() || value == ~0U)
        return std::nullopt;
    return value;
}

std::optional<User> in_passwd(std::string_view name, std::optional<unsigned> id, std::string_view passwd) {
    for (const auto line : split(passwd, '\n')) {
        const auto fields = split(line, ':');
        if (fields.size() != 7)
            continue;
        const auto uid = number(fields[2]);
        const auto gid = number(fields[3]);
        if (!uid || !gid || (fields[0] != name && uid != id))
            continue;
        return User{std::string(fields[0]), *uid, *gid, std::string(fields[5]), std::string(fields[6]), {}};
    }
    return std::nullopt;
}

std::string text_of_file(const char* path) {
    try {
        return read_file(path, max_file);
    } catch (const Error&) {
        return {}; // a bare image has none; then there is root, and numbers
    }
}

} // namespace

User find_user(std::string_view name, std::string_view passwd, std::string_view group) {
    if (name.empty())
        name = "root";
    const auto id = number(name);
    auto user = in_passwd(name, id, passwd);
    if (!user && (name == "root" || id == 0U))
        user = User{};
    else if (!user && id)
        user = User{std::string(name), *id, *id, "/", {}, {}};
    if (!user)
        throw Error(ErrorCode::NotFound, "the guest has no user \"" + std::string(name) + "\"",
                    "name one of the guest's /etc/passwd, or a number");
    user->groups.push_back(user->gid);
    for (const auto line : split(group, '\n')) {
        const auto fields = split(line, ':');
        const auto gid = fields.size() == 4 ? number(fields[2]) : std::nullopt;
        if (!gid || *gid == user->gid || user->groups.size() >= max_groups)
            continue;
        const auto members = split(fields[3], ',');
        if (std::find(members.begin(), members.end(), user->name) != members.end())
            user->groups.push_back(*gid);
    }
    return *user;
}

User find_user(std::string_view name) {
    return find_user(name, text_of_file("/etc/passwd"), text_of_file("/etc/group"));
}

} // namespace banger::agent
