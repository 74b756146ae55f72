// How a session brings the machine down.
#include "agent/session.hpp"
#include "base/file.hpp"

#include <sys/reboot.h>
#include <unistd.h>

#include <csignal>

namespace banger::agent {

namespace {

/// The signal by which PID 1 learns what is wanted.
int signal_for_init(ShutdownMode mode, const SessionContext& context) {
    if (context.agent_is_init) // as busybox init has them, and so `poweroff` and `reboot` of busybox work as
                               // well
        return mode == ShutdownMode::PowerOff ? SIGUSR2 : mode == ShutdownMode::Halt ? SIGUSR1 : SIGTERM;
    const bool systemd = read_file("/proc/1/comm", 64) == "systemd\n";
    if (!systemd)
        return SIGINT; // "ctrl-alt-del": sysvinit, busybox and OpenRC shut down in order and restart the
                       // machine
    // systemd(1): +3 halt, +5 reboot. Power-off is asked for as a restart: see end_machine().
    return mode == ShutdownMode::Halt ? SIGRTMIN + 3 : SIGRTMIN + 5;
}

/// Ends the machine at once. Power-off is a restart too: a microVM has no power button. QEMU's microvm under
/// -no-reboot and Firecracker both end when the guest resets (through the i8042 or a triple fault); after
/// RB_POWER_OFF they would idle on.
void end_machine(ShutdownMode mode) {
    ::sync();
    ::reboot(mode == ShutdownMode::Halt ? RB_HALT_SYSTEM : RB_AUTOBOOT);
}

} // namespace

void shut_down(const ShutdownRequest& request, const SessionContext& context) {
    if (!context.in_guest)
        throw Error(ErrorCode::Unsupported, "this agent is not in a guest that it could shut down");
    ::setsid(); // out of reach of what ends the other sessions
    ::signal(SIGTERM, SIG_IGN);
    ::signal(SIGHUP, SIG_IGN);
    ::sync(); // while services still stop, most of what is dirty gets written
    ::kill(1, signal_for_init(request.mode, context));
    if (context.agent_is_init)
        return; // PID 1 does the rest, and must not wait for this process
    const Deadline limit = Clock::now() + std::chrono::milliseconds(request.grace_ms);
    while (const int left = poll_timeout(limit)) {
        const timespec rest{left / 1000, left % 1000 * 1'000'000L};
        ::nanosleep(&rest, nullptr);
    }
    end_machine(request.mode);
}

} // namespace banger::agent
