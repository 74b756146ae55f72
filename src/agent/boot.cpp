#include "agent/boot.hpp"

#include "agent/cmdline.hpp"
#include "agent/console.hpp"
#include "agent/daemon.hpp"
#include "agent/devices.hpp"
#include "agent/init.hpp"
#include "agent/network.hpp"
#include "agent/root.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <ctime>

namespace banger::agent {

namespace {

constexpr size_t max_cmdline = 65536;
constexpr int network_limit_ms = 10000;

[[noreturn]] void fail(const std::string& message) {
    say("error: " + message);
    ::tcdrain(STDERR_FILENO); // the words must be out before the machine is gone
    ::sync();
    ::reboot(RB_AUTOBOOT); // which ends a microVM: see init.cpp
    for (;;)
        ::pause();
}

/// An initramfs without /dev/console leaves PID 1 without descriptors.
void open_console() {
    if (::fcntl(STDERR_FILENO, F_GETFD) >= 0)
        return;
    const int fd = ::open("/dev/console", O_RDWR | O_NOCTTY);
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (fd >= 0 && fd != standard)
            ::dup2(fd, standard);
}

uint64_t uptime_ms() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

void raise_limits() {
    const rlimit files{1024, 524288}; // as systemd sets them for what it starts
    ::setrlimit(RLIMIT_NOFILE, &files);
}

/// The agent must outlive what it serves; its commands put their own value back.
void be_spared() {
    const OwnedFd fd(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
    if (!fd || ::write(fd.get(), "-900", 4) < 0)
        say("cannot protect itself from the OOM killer");
}

/// Forks the process that serves sessions. systemd spares a process whose first argument begins with '@' when
/// it kills the last ones at shutdown (https://systemd.io/ROOT_STORAGE_DAEMONS): the agent stays reachable to
/// the end.
pid_t start_agent(const BootConfig& config, const SessionContext& context, const DeviceEvents& events,
                  char* name) {
    const auto pid = ::fork();
    if (pid != 0)
        return pid;
    try {
        sigset_t none;
        sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        ::setsid();
        be_spared();
        if (name && name[0] != '\0')
            name[0] = '@';
        ::prctl(PR_SET_NAME, "banger-agent");
        run_in_guest(config, context, events);
    } catch (const std::exception& error) {
        say(std::string("error: ") + error.what());
    }
    ::_exit(1);
}

BootConfig prepare(const DeviceEvents& events) {
    auto config = parse_cmdline(read_file("/proc/cmdline", max_cmdline));
    load_modules("/modules", config);
    assemble_root(config, events);
    if (config.address &&
        !events.wait([] { return ::access("/sys/class/net/eth0", F_OK) == 0; }, network_limit_ms))
        throw Error(ErrorCode::Unavailable, "no network device eth0 (is its driver in the initramfs?)");
    configure_network(config);
    return config;
}

} // namespace

void boot(char* name) {
    try {
        ::umask(022);
        mount_basics();
        open_console();
        const DeviceEvents events;
        const auto config = prepare(events);
        mount_rest();
        OwnedFd old_root;
        if (config.root != RootKind::None)
            old_root = switch_root();
        write_identity(config);
        raise_limits();
        const auto init = choose_init(config);
        if (!init.empty() && ::access(init.c_str(), X_OK) < 0)
            throw_errno("start the image's init " + init);
        SessionContext context;
        context.in_guest = true;
        context.agent_is_init = init.empty();
        context.ready_ms = uptime_ms();
        const auto start = [&] { return start_agent(config, context, events, name); };
        block_signals();
        const auto agent = start();
        if (agent < 0)
            throw_errno("start the agent");
        if (!init.empty())
            hand_over(init);
        stay(start, agent, old_root, config);
    } catch (const std::exception& error) {
        fail(error.what());
    }
}

} // namespace banger::agent
