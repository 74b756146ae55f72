#include "daemon/vm/stop.hpp"

#include "agent/client.hpp"
#include "base/log.hpp"
#include "base/op_id.hpp"
#include "base/pidfd.hpp"
#include "daemon/wait.hpp"
#include "vmm/client.hpp"

#include <unistd.h>

#include <algorithm>
#include <csignal>

namespace banger::daemon {

namespace {

constexpr std::chrono::seconds ask_limit{2};
constexpr std::chrono::seconds death_limit{5};

/// The guest has agreed to end, by one way or the other.
void ask_guest(const StopPlan& plan, const std::stop_token& hurry) {
    const auto deadline = Clock::now() + std::min<std::chrono::milliseconds>(ask_limit, plan.graceful);
    try {
        const auto session = agent::connect_hybrid(plan.vsock_socket, agent::agent_port, deadline, hurry);
        // The agent ends the machine itself shortly before our patience ends: cleaner than a kill.
        const auto grace = plan.graceful - plan.graceful / 4;
        agent::shutdown(
            session.get(),
            {.mode = agent::ShutdownMode::PowerOff, .grace_ms = static_cast<uint64_t>(grace.count())},
            deadline, current_op_id());
    } catch (const Error& error) {
        if (hurry.stop_requested())
            throw;
        log::debug("the agent does not shut down: " + error.message() + "; pressing ctrl-alt-del");
        vmm::VmmClient(plan.api_socket, {.timeout = ask_limit, .stop = hurry}).send_ctrl_alt_del();
    }
}

/// True when the VMM has ended in time.
bool shut_down(const StopPlan& plan, const std::stop_token& hurry) {
    const StopEvent stop(hurry);
    const auto end = Clock::now() + plan.graceful;
    try {
        ask_guest(plan, hurry);
        wait_any({plan.pidfd->get()}, stop, end, "the guest's shutdown");
        return true;
    } catch (const Error& error) {
        log::debug("the guest did not shut down: " + error.message());
        return wait_readable(plan.pidfd->get(), 0);
    }
}

/// Where that fails, the guest does not answer, and is killed.
void let_run(const StopPlan& plan, const std::stop_token& hurry) {
    try {
        vmm::VmmClient(plan.api_socket, {.timeout = ask_limit, .stop = hurry}).resume();
        *plan.held = false;
    } catch (const Error& error) {
        log::debug("the guest's CPUs stay held: " + error.message());
    }
}

/// The VMM runs with the owner's uid, so this is ours to do, without asking the helper. False when that was
/// not enough.
bool kill_directly(int pidfd) {
    if (const int error = signal_pidfd(pidfd, SIGKILL); error != 0 && error != ESRCH)
        return false;
    return wait_readable(pidfd, static_cast<int>(std::chrono::milliseconds(death_limit).count()));
}

} // namespace

Ending ending_of_stop(StopResult result) {
    return {std::string(result == StopResult::Graceful ? exit_reason::stopped : exit_reason::killed), {}};
}

StopResult stop_vmm(const StopPlan& plan, HelperClient& helper, Steps& steps, const std::stop_token& hurry) {
    const bool asks = plan.pidfd && plan.graceful.count() > 0 && !hurry.stop_requested();
    if (asks && *plan.held) // a guest whose CPUs are held hears nothing
        steps.run("resume", [&] { let_run(plan, hurry); });
    if (asks)
        if (steps.run("shutdown", [&] { return shut_down(plan, hurry); }))
            return StopResult::Graceful;
    steps.run("kill", [&] {
        if (!plan.pidfd || !kill_directly(plan.pidfd->get()))
            helper.kill(plan.id);
    });
    return StopResult::Killed;
}

} // namespace banger::daemon
