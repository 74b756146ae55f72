#include "install/accounts.hpp"

#include "base/error.hpp"

#include <pwd.h>

#include <cstdio>
#include <memory>
#include <optional>

namespace banger::install {

namespace {

struct Account {
    Owner owner;
    std::string home;
};

Account account_of(const passwd& entry) {
    return {{entry.pw_name, entry.pw_uid, entry.pw_gid}, entry.pw_dir};
}

std::optional<Account> find_account(const Tree& tree, const std::string& name) {
    if (tree.is_system()) {
        const passwd* entry = ::getpwnam(name.c_str());
        return entry ? std::optional(account_of(*entry)) : std::nullopt;
    }
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(
        std::fopen(tree.at("/etc/passwd").c_str(), "re"),
        [](std::FILE* f) { return f ? std::fclose(f) : 0; });
    while (file)
        if (const passwd* entry = ::fgetpwent(file.get()); !entry)
            break;
        else if (name == entry->pw_name)
            return account_of(*entry);
    return std::nullopt;
}

} // namespace

std::vector<Owner> find_owners(const Tree& tree, const std::vector<std::string>& names) {
    Metadata checked;
    for (const auto& name : names) {
        const auto account = find_account(tree, name);
        if (!account)
            throw Error(ErrorCode::NotFound, "there is no account \"" + name + "\"",
                        "`getent passwd` lists the accounts");
        checked.owners.push_back(account->owner);
    }
    check(checked);
    return checked.owners;
}

std::string home_of(const Tree& tree, const std::string& name) {
    const auto account = find_account(tree, name);
    return account ? account->home : std::string();
}

} // namespace banger::install
