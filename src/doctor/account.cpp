#include "base/error.hpp"
#include "base/file.hpp"
#include "base/size.hpp"
#include "doctor/doctor.hpp"
#include "doctor/probe.hpp"

#include <pwd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>

namespace banger::doctor {

namespace {

constexpr uint64_t comfortable_space = uint64_t{4} << 30;
constexpr unsigned needed_ids = 65536;

/// Has `account` a line with that many ids in /etc/subuid or /etc/subgid: NAME-OR-UID:FIRST:COUNT
/// (subuid(5))?
bool has_subordinate_ids(const std::string& text, const std::string& account, unsigned uid) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string name, first, count;
        if (std::getline(fields, name, ':') && std::getline(fields, first, ':') &&
            std::getline(fields, count) && (name == account || name == std::to_string(uid)) &&
            std::strtoul(count.c_str(), nullptr, 10) >= needed_ids)
            return true;
    }
    return false;
}

void check_subordinate_ids(Checks& checks) {
    const passwd* entry = ::getpwuid(::getuid());
    const std::string account = entry ? entry->pw_name : "";
    for (const char* path : {"/etc/subuid", "/etc/subgid"}) {
        const auto id = std::string("account.") + (path + 5);
        const auto text = ::access(path, R_OK) == 0 ? read_file(path) : std::string();
        if (has_subordinate_ids(text, account, ::getuid()))
            checks.push_back({id, Verdict::Pass, account + " has subordinate ids in " + path});
        else
            checks.push_back(
                {id, Verdict::Warn,
                 account + " has no 65536 subordinate ids in " + path +
                     ": images cannot be built with their owners right",
                 "as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 " + account});
    }
}

/// A folder of the caller's that must be the caller's alone (0700). Not there yet: it will be made so.
void check_private(Checks& checks, const std::string& id, const std::string& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) < 0) {
        if (errno != ENOENT)
            throw_errno("stat " + path);
        return;
    }
    if (!S_ISDIR(status.st_mode) || status.st_uid != ::getuid())
        checks.push_back(
            {id, Verdict::Fail, path + " is no folder of yours", "find out who made it, and remove it"});
    else if (status.st_mode & 077)
        checks.push_back({id, Verdict::Warn, path + " is open to others", "chmod 700 " + path,
                          [path] { ensure_private_directory(path, ::getuid()); }});
    else
        checks.push_back({id, Verdict::Pass, path + " is yours alone"});
}

void check_space(Checks& checks) {
    auto folder = xdg_data_dir();
    struct statvfs facts{};
    while (::statvfs(folder.c_str(), &facts) < 0 && errno == ENOENT && folder.size() > 1)
        folder = folder.substr(0, std::max<size_t>(1, folder.rfind('/')));
    const uint64_t free = static_cast<uint64_t>(facts.f_bavail) * facts.f_frsize;
    if (free >= comfortable_space)
        checks.push_back({"account.space", Verdict::Pass, human_size(free) + " are free at " + folder});
    else
        checks.push_back({"account.space", Verdict::Warn,
                          "only " + human_size(free) + " are free at " + folder,
                          "free some: images and disks have gigabytes"});
}

} // namespace

Checks check_account() {
    Checks checks;
    if (::geteuid() == 0)
        return checks; // root has no VMs
    guarded(checks, "account.ids", Verdict::Warn, [&] { check_subordinate_ids(checks); });
    guarded(checks, "account.runtime", Verdict::Warn,
            [&] { check_private(checks, "account.runtime", xdg_runtime_dir()); });
    guarded(checks, "account.data", Verdict::Warn,
            [&] { check_private(checks, "account.data", xdg_data_dir()); });
    guarded(checks, "account.state", Verdict::Warn,
            [&] { check_private(checks, "account.state", xdg_state_dir()); });
    guarded(checks, "account.space", Verdict::Warn, [&] { check_space(checks); });
    return checks;
}

} // namespace banger::doctor
