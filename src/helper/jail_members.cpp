#include "base/error.hpp"
#include "base/file.hpp"
#include "helper/jail.hpp"
#include "helper/process_id.hpp"

#include <sstream>

namespace banger::helper {

namespace {

constexpr size_t mounts_limit = 4 << 20;

/// Is the folder that ends in `tail` mounted on /run there? Fields 4 and 5 of /proc/PID/mountinfo: the folder
/// within its filesystem, the mount point within the process's root. The names that are looked for need no
/// escapes.
bool has_run_of(const std::string& folder, const std::string& tail) {
    std::istringstream lines(read_file(folder + "/mountinfo", mounts_limit));
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string id, parent, device, root, point;
        if (fields >> id >> parent >> device >> root >> point; point == "/run" && root.ends_with(tail))
            return true;
    }
    return false;
}

/// Pidfds of the jail's processes at this moment.
std::vector<OwnedFd> members(uint32_t uid, const std::string& name) {
    const auto tail = "/" + name + "/run";
    std::vector<OwnedFd> found;
    for (const int pid : all_pids()) {
        try {
            auto pidfd = open_if_alive(identify(pid));
            const auto folder = "/proc/" + std::to_string(pid);
            // Looked at while the pidfd is held and found alive afterwards: it is this process that has that
            // mount.
            if (pidfd && uid_of(pid) == static_cast<long>(uid) && has_run_of(folder, tail) &&
                alive(pidfd.get()))
                found.push_back(std::move(pidfd));
        } catch (const Error&) {
            continue; // it ended while it was looked at
        }
    }
    return found;
}

} // namespace

void kill_jail_members(uint32_t uid, const std::string& name) {
    kill_all([&] { return members(uid, name); }, "in jail " + name);
}

} // namespace banger::helper
