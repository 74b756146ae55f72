// The accounts that exist inside a private instance, beside the machine's own.
#pragma once

#include <array>
#include <string>
#include <vector>

namespace banger::instance {

struct Account {
    const char* word; ///< what --user calls it
    const char* name;
    unsigned id;          ///< uid and gid
    bool registered;      ///< an owner in install.toml
    unsigned first_subid; ///< of 65536 ids for user namespaces; 0: none
};

inline constexpr std::array<Account, 3> accounts{{
    {"owner", "banger-owner", 64001, true, 1900000000},
    {"other", "banger-other", 64002, true, 1900065536},
    {"stranger", "banger-stranger", 64003, false, 0},
}};
/// Whose daemon the session bus starts.
inline constexpr const Account& owner_account = accounts[0];

/// A user to run something as.
struct User {
    std::string name;
    unsigned uid = 0;
    unsigned gid = 0;
    std::string home;
    std::vector<unsigned> groups; ///< supplementary
};

User user_of(const Account& account);
/// "owner", "other", "stranger", an account's name, or a uid; looked up in the passwd file that is seen here
/// and now, so to be called inside the instance. Throws NotFound.
User find_user(const std::string& word);

/// Texts of account databases: the host's, without whatever collides with ours, and ours. No account in the
/// shadow file has a usable password.
std::string passwd_text(const std::string& host_passwd);
std::string group_text(const std::string& host_group);
std::string shadow_text(const std::string& passwd);
std::string subid_text();

} // namespace banger::instance
