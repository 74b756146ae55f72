#include "agent/init.hpp"

#include "agent/console.hpp"
#include "agent/root.hpp"
#include "agent/stream.hpp"
#include "base/error.hpp"

#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace banger::agent {

namespace {

using namespace std::chrono_literals;

constexpr auto terminate_limit = 1500ms; ///< for processes to heed SIGTERM
constexpr auto kill_limit = 500ms;       ///< for SIGKILL to take effect
constexpr auto agent_lifetime = 1s;      ///< an agent that ends sooner counts as failing
constexpr int most_failures = 5;

sigset_t handled_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGUSR1, SIGUSR2})
        sigaddset(&set, signal);
    return set;
}

bool is_executable(const std::string& path) {
    return ::access(path.c_str(), X_OK) == 0;
}

bool is_busybox(const std::string& path) {
    std::array<char, 4096> target{};
    const auto n = ::readlink(path.c_str(), target.data(), target.size() - 1);
    return n > 0 && std::string_view(target.data()).ends_with("busybox");
}

/// Waits until no children are left, which for PID 1 (after the signal to all) means no processes.
void await_all(std::chrono::milliseconds limit) {
    const Deadline deadline = Clock::now() + limit;
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    for (;;) {
        const auto pid = ::waitpid(-1, nullptr, WNOHANG);
        if (pid > 0)
            continue;
        const int left = poll_timeout(deadline);
        if (pid < 0 || left == 0)
            return;
        const timespec wait{left / 1000, left % 1000 * 1'000'000L};
        ::sigtimedwait(&child, nullptr, &wait);
    }
}

[[noreturn]] void end(int how, const OwnedFd& old_root, const BootConfig& config) {
    ::kill(-1, SIGTERM);
    ::kill(-1, SIGCONT);
    await_all(terminate_limit);
    ::kill(-1, SIGKILL);
    await_all(kill_limit);
    settle_disks(old_root, config);
    // Power-off too is a restart, unless a halt was asked for: a microVM has no power button; QEMU's microvm
    // under -no-reboot and Firecracker end when the guest resets.
    ::reboot(how);
    for (;;)
        ::pause();
}

} // namespace

void block_signals() noexcept {
    const auto signals = handled_signals();
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
}

std::string choose_init(const BootConfig& config, const std::string& root) {
    if (config.init == InitChoice::None || config.root == RootKind::None)
        return {};
    if (config.init == InitChoice::Path)
        return config.init_path;
    for (const auto* candidate :
         {"/sbin/init", "/lib/systemd/systemd", "/usr/lib/systemd/systemd", "/bin/init"}) {
        const auto path = root + candidate;
        if (!is_executable(path))
            continue;
        if (is_busybox(path) && !is_executable(root + "/sbin/openrc") &&
            !is_executable(root + "/etc/init.d/rcS"))
            continue;
        return candidate;
    }
    return {};
}

void hand_over(const std::string& program) {
    const auto none = sigset_t{};
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL); // ignored by the agent, and inherited
    std::array<const char*, 2> argv{program.c_str(), nullptr};
    std::array<const char*, 4> envp{
        "HOME=/", "TERM=linux", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", nullptr};
    ::execve(program.c_str(), const_cast<char**>(argv.data()), const_cast<char**>(envp.data()));
    throw_errno("start the image's init " + program);
}

void stay(const std::function<pid_t()>& start_agent, pid_t agent, const OwnedFd& old_root,
          const BootConfig& config) {
    const auto signals = handled_signals();
    ::reboot(RB_DISABLE_CAD); // ctrl-alt-del comes as SIGINT
    auto started = Clock::now();
    int failures = 0;
    for (;;) {
        const int signal = ::sigwaitinfo(&signals, nullptr);
        if (signal == SIGUSR2)
            say("power off"); // the host sees a reset in any case, and is to know that none is meant
        if (signal == SIGTERM || signal == SIGINT || signal == SIGUSR2)
            end(RB_AUTOBOOT, old_root, config);
        if (signal == SIGUSR1)
            end(RB_HALT_SYSTEM, old_root, config);
        for (pid_t pid = 0; (pid = ::waitpid(-1, nullptr, WNOHANG)) > 0;) {
            if (pid != agent)
                continue;
            failures = Clock::now() - started < agent_lifetime ? failures + 1 : 0;
            if (failures > most_failures) {
                say("error: the agent cannot run");
                end(RB_AUTOBOOT, old_root, config);
            }
            started = Clock::now();
            agent = start_agent();
        }
    }
}

} // namespace banger::agent
