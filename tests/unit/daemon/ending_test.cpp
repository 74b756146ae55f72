#include "base/fd.hpp"
#include "base/process.hpp"
#include "daemon/vm/ending.hpp"

#include <doctest/doctest.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

using namespace banger;
using namespace banger::daemon;

namespace {

std::string reason(std::string_view console, std::optional<int> status = std::nullopt) {
    return ending_of(console, status).reason;
}

/// Waits as the parent of whoever asks for the status.
int wait_for(pid_t pid) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    return status;
}

bool kernel_tells() {
    utsname name{};
    ::uname(&name);
    char* rest = nullptr;
    const auto major = std::strtol(name.release, &rest, 10);
    return major > 6 || (major == 6 && std::strtol(rest + 1, nullptr, 10) >= 15);
}

} // namespace

TEST_CASE("the guest's last words tell how it ended") {
    CHECK(reason("boot\n[ 3.2] reboot: Power down\n") == "poweroff");
    CHECK(reason("boot\n[ 3.2] reboot: System halted\n\n\n") == "poweroff");
    CHECK(reason("boot\n[ 3.2] reboot: Restarting system\n[ 3.2] reboot: machine restart\n") == "reboot");
    CHECK(reason("[ 3.2] sysrq: Resetting\n") == "reboot");
    CHECK(reason("banger-agent: power off\n[ 3.2] reboot: Restarting system\n") == "poweroff");
    const auto panic = ending_of(
        "x\n[ 9.9] Kernel panic - not syncing: sysrq triggered crash\n" + std::string(40, '\n') + "end", 0);
    CHECK(panic.reason == "panic");
    CHECK(panic.detail == "Kernel panic - not syncing: sysrq triggered crash");
}

TEST_CASE("the last word counts, and an old goodbye does not") {
    CHECK(reason("Kernel panic - not syncing: x\n[ 3.2] reboot: Restarting system\n") == "reboot");
    std::string since;
    for (int i = 0; i < 20; ++i)
        since += "line\n";
    CHECK(reason("reboot: Restarting system\n" + since) == "crashed");
    CHECK(reason("banger-agent: power off\n" + since + "reboot: Restarting system\n") == "reboot");
}

TEST_CASE("without words the VMM's status tells") {
    CHECK(reason("", 0) == "poweroff");
    CHECK(reason("login: ") == "crashed");
    CHECK(ending_of("", 3 << 8).detail == "status 3");
    CHECK(ending_of("", SIGSEGV).reason == "crashed");
    CHECK(ending_of("", SIGSEGV).signal == SIGSEGV);
    CHECK(ending_of("", SIGSEGV).detail == "signal 11 (SEGV)");
    CHECK(reason("reboot: Power down", SIGKILL) == "poweroff");
}

TEST_CASE("a guest has halted when the kernel's last line says so") {
    CHECK(has_halted("x\n[ 1.0] reboot: System halted\n"));
    CHECK(has_halted("x\n[ 1.0] reboot: Power down\n"));
    CHECK(has_halted("x\n[    1.234567][    T1] reboot: System halted\n\n"));
    CHECK_FALSE(has_halted("[ 1.0] reboot: System halted\none\n"));
    CHECK_FALSE(has_halted("[ 1.0] reboot: System halted, says the manual\n"));
    CHECK_FALSE(has_halted("$ grep '[ 1.0] reboot: System halted'\n"));
    CHECK_FALSE(has_halted("reboot: System halted\n"));
    CHECK_FALSE(has_halted(""));
}

TEST_CASE("the status of a process that has been reaped is known by its pidfd") {
    if (!kernel_tells()) {
        MESSAGE("this kernel does not tell it");
        return;
    }
    const auto pid = ::fork();
    if (pid == 0) {
        ::pause();
        ::_exit(0);
    }
    const auto pidfd = open_pidfd(pid);
    CHECK_FALSE(exit_status_of(pidfd.get(), std::chrono::milliseconds(1)));
    ::kill(pid, SIGUSR1);
    const auto status = wait_for(pid);
    CHECK(exit_status_of(pidfd.get(), std::chrono::milliseconds(0)) == status);
    CHECK(WTERMSIG(status) == SIGUSR1);
}
