// Child processes as values: what to run is a ProcessSpec that tests can look at; spawn() and run() carry it
// out.
#pragma once

#include "base/fd.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace banger {

/// What to run. No shell, no inherited environment, no inherited descriptors: only what stands here.
struct ProcessSpec {
    std::string program;                  ///< absolute path
    std::vector<std::string> arguments;   ///< without argv[0], which is `program`
    std::vector<std::string> environment; ///< "NAME=value"; nothing else is passed
    std::string directory;                ///< working directory; empty: "/"
    int stdin_fd = -1;                    ///< -1: /dev/null; the same for the next two
    int stdout_fd = -1;
    int stderr_fd = -1;
    /// Descriptors that the child gets under the same numbers (> 2), close-on-exec cleared in the child only.
    std::vector<int> inherited;
    std::optional<std::pair<unsigned, unsigned>> uid_gid; ///< become this user, with no supplementary groups
    bool new_session = false;                             ///< setsid(2)
    /// prctl(PR_SET_NO_NEW_PRIVS), while nobody can trace the child yet: whoever takes it over later cannot
    /// make it gain privileges by a setuid program.
    bool no_new_privileges = false;
    int parent_death_signal = 0; ///< prctl(PR_SET_PDEATHSIG); 0: none
    /// When >= 0: the child waits, before exec, until one byte can be read here; end of file makes it exit.
    /// So a parent can write down who the child is before the child does anything.
    int go_fd = -1;

    /// The command for people and logs; not for a shell.
    std::string display() const;
};

/// A started child. Dropping it neither kills nor reaps.
struct Child {
    int pid = -1;
    OwnedFd pidfd;
};

/// Forks and executes; throws Error when the child could not exec (reported through a pipe, so not for go_fd
/// children: those fail later, with exit status 127).
Child spawn(const ProcessSpec& spec);
/// A wait(2) status as a shell tells it: the exit status, or 128 + the signal.
int shell_status(int wait_status) noexcept;
/// Reaps; the status is as in shell_status(). Empty when `timeout_ms` went by (negative: no limit).
std::optional<int> wait_child(const Child& child, int timeout_ms = -1);

struct RunResult {
    int status = 0;     ///< as in shell_status()
    std::string output; ///< standard output, up to the limit
    std::string errors; ///< standard error, its last 8 KiB
};

struct RunLimits {
    std::chrono::milliseconds timeout{std::chrono::minutes(10)};
    size_t output = 16 << 20; ///< more than this is an Error
    std::stop_token stop{};
    std::function<void(int pid)> started{}; ///< told while the pid is still the child's
};

/// Runs to the end, collecting both outputs (a spec's own stdout_fd is kept and not collected). On time-out,
/// stop or too much output the child's process group is killed and an Error thrown.
RunResult run(ProcessSpec spec, const RunLimits& limits = {});
/// The same; a status other than 0 is an Error{Internal} that holds the end of standard error.
std::string run_checked(ProcessSpec spec, const RunLimits& limits = {});

/// The absolute path of `name`, looked for in /usr/local/bin, /usr/bin, /bin, /usr/local/sbin, /usr/sbin,
/// /sbin. Throws Unavailable with a hint naming the Debian `package`.
std::string find_program(const std::string& name, const std::string& package);

/// A start time that, with the pid, names a process for the life of this boot: field 22 of /proc/PID/stat
/// (proc(5)). 0 when there is no such process.
unsigned long long process_start_time(int pid);

} // namespace banger
