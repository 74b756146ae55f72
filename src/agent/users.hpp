// The guest's /etc/passwd and /etc/group, read as text: a static program cannot use NSS.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace banger::agent {

struct User {
    std::string name = "root";
    uid_t uid = 0;
    gid_t gid = 0;
    std::string home = "/root";
    std::string shell{};
    std::vector<gid_t> groups{};
};

/// The user named so (or with that number) in the text of a passwd(5) and a group(5) file. Malformed lines
/// are passed over. Empty and "root" are root even where the files say nothing, and so is any number. Throws
/// NotFound.
User find_user(std::string_view name, std::string_view passwd, std::string_view group);

/// The same from /etc; missing files count as empty.
User find_user(std::string_view name);

} // namespace banger::agent
