#include "install/daemons.hpp"

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/file.hpp"
#include "base/pidfd.hpp"
#include "install/metadata.hpp"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <sstream>

namespace banger::install {

namespace {

constexpr int patience_ms = 10'000;
constexpr size_t list_limit = 1 << 20;

/// Where systemd's hierarchy is: unified, or beside the old ones (cgroups(7)).
constexpr const char* hierarchies[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"};

void add_members(const std::string& group, std::vector<OwnedFd>& found) {
    try {
        std::istringstream pids(read_file(group + "/cgroup.procs", list_limit));
        for (int pid = 0; pids >> pid;)
            found.push_back(open_pidfd(pid));
    } catch (const Error&) {
        return; // it ended meanwhile
    }
}

/// Pidfds of the processes in the control groups of that name below the user's slice.
std::vector<OwnedFd> members(unsigned uid) {
    std::vector<OwnedFd> found;
    for (const auto* hierarchy : hierarchies) {
        const auto slice = std::string(hierarchy) + "/user.slice/user-" + std::to_string(uid) + ".slice";
        std::error_code trouble; // groups come and go while they are walked through
        for (std::filesystem::recursive_directory_iterator at(slice, trouble), end; !trouble && at != end;
             at.increment(trouble))
            if (at->path().filename() == daemon_unit_name && at->is_directory(trouble))
                add_members(at->path().string(), found);
        if (!found.empty())
            break;
    }
    return found;
}

} // namespace

size_t end_daemons(unsigned uid) {
    const auto daemons = members(uid);
    for (const auto& daemon : daemons)
        signal_pidfd(daemon.get(), SIGTERM);
    size_t ended = 0;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(patience_ms);
    for (const auto& daemon : daemons) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        ended += wait_readable(daemon.get(), static_cast<int>(std::max<int64_t>(0, left.count()))) ? 1 : 0;
    }
    return ended;
}

} // namespace banger::install
