#include "instance/accounts.hpp"

#include "base/error.hpp"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace banger::instance {

namespace {

std::string home_of(const Account& account) {
    return std::string("/home/") + account.name;
}

std::string_view field(std::string_view line, int index) {
    for (; index > 0; --index) {
        const auto colon = line.find(':');
        if (colon == line.npos)
            return {};
        line.remove_prefix(colon + 1);
    }
    return line.substr(0, line.find(':'));
}

bool collides(std::string_view line) {
    return std::any_of(accounts.begin(), accounts.end(), [&](const Account& account) {
        return field(line, 0) == account.name || field(line, 2) == std::to_string(account.id);
    });
}

/// Calls `use` with each line of `text` that is none of our accounts'.
template <class Use>
void each_host_line(std::string_view text, Use use) {
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        const auto line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (!line.empty() && !collides(line))
            use(line);
    }
}

} // namespace

User user_of(const Account& account) {
    return {account.name, account.id, account.id, home_of(account), {}};
}

User find_user(const std::string& word) {
    for (const auto& account : accounts)
        if (word == account.word)
            return user_of(account);
    unsigned uid = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), uid);
    const bool is_number = error == std::errc() && end == word.data() + word.size();
    const passwd* entry = is_number ? ::getpwuid(uid) : ::getpwnam(word.c_str());
    if (!entry && is_number)
        return {word, uid, uid, "/", {}};
    if (!entry)
        throw Error(ErrorCode::NotFound, "there is no account \"" + word + "\" in the instance",
                    "use owner, other, stranger, root, another account's name, or a uid");
    User user{entry->pw_name, entry->pw_uid, entry->pw_gid, entry->pw_dir, {}};
    std::vector<gid_t> groups(256);
    int count = static_cast<int>(groups.size());
    if (::getgrouplist(user.name.c_str(), user.gid, groups.data(), &count) >= 0)
        user.groups.assign(groups.begin(), groups.begin() + count);
    return user;
}

std::string passwd_text(const std::string& host_passwd) {
    std::string text;
    each_host_line(host_passwd, [&](std::string_view line) { text.append(line).append("\n"); });
    for (const auto& account : accounts) {
        const auto id = std::to_string(account.id);
        text.append(account.name).append(":x:").append(id).append(":").append(id);
        text.append("::").append(home_of(account)).append(":/bin/sh\n");
    }
    return text;
}

std::string group_text(const std::string& host_group) {
    std::string text;
    each_host_line(host_group, [&](std::string_view line) { text.append(line).append("\n"); });
    for (const auto& account : accounts)
        text.append(account.name).append(":x:").append(std::to_string(account.id)).append(":\n");
    return text;
}

std::string shadow_text(const std::string& passwd) {
    std::string text;
    for (std::string_view rest = passwd; !rest.empty();) {
        const auto end = std::min(rest.find('\n'), rest.size());
        if (const auto name = field(rest.substr(0, end), 0); !name.empty())
            text.append(name).append(":*:19000:0:99999:7:::\n");
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return text;
}

std::string subid_text() {
    std::string text;
    for (const auto& account : accounts)
        if (account.first_subid)
            text.append(account.name)
                .append(":")
                .append(std::to_string(account.first_subid))
                .append(":65536\n");
    return text;
}

} // namespace banger::instance
