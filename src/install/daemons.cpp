#include "install/daemons.hpp"

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/file.hpp"
#include "install/metadata.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <sstream>

namespace banger::install {

namespace {

constexpr int patience_ms = 10'000;
constexpr size_t list_limit = 1 << 20;

/// Pidfds of the processes in the control groups of that name below the user's slice.
std::vector<OwnedFd> members(unsigned uid) {
    const auto slice = "/sys/fs/cgroup/user.slice/user-" + std::to_string(uid) + ".slice";
    std::vector<OwnedFd> found;
    std::error_code trouble; // groups come and go while they are walked through
    for (std::filesystem::recursive_directory_iterator at(slice, trouble), end; !trouble && at != end;
         at.increment(trouble)) {
        if (at->path().filename() != daemon_unit_name || !at->is_directory(trouble))
            continue;
        try {
            std::istringstream pids(read_file(at->path().string() + "/cgroup.procs", list_limit));
            for (int pid = 0; pids >> pid;)
                found.push_back(open_pidfd(pid));
        } catch (const Error&) {
            continue; // it ended meanwhile
        }
    }
    return found;
}

} // namespace

size_t end_daemons(unsigned uid) {
    const auto daemons = members(uid);
    for (const auto& daemon : daemons)
        ::syscall(SYS_pidfd_send_signal, daemon.get(), SIGTERM, nullptr, 0);
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
