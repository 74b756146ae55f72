// What is looked at from time to time while VMs run: idle ones, consoles that grow, guests that have halted.
#include "agent/client.hpp"
#include "base/log.hpp"
#include "base/pidfd.hpp"
#include "daemon/clock.hpp"
#include "daemon/vm/console.hpp"
#include "daemon/vm/ending.hpp"
#include "daemon/vm/vms.hpp"
#include "daemon/wait.hpp"

#include <unistd.h>

#include <algorithm>
#include <csignal>

namespace banger::daemon {

namespace {

constexpr std::chrono::milliseconds round_time{10'000};
constexpr std::chrono::milliseconds shortest_round{500};
constexpr std::chrono::seconds agent_limit{5};

/// When it is to be stopped for idleness, from now on; nothing when it never is.
std::optional<std::chrono::milliseconds> idle_time_left(const VmEntry& entry) {
    if (entry.config.auto_stop_after == 0 || entry.status.state != VmState::Running || entry.recovering)
        return std::nullopt;
    const auto due = entry.status.last_active + uint64_t{entry.config.auto_stop_after} * 1'000'000;
    const auto now = now_microseconds();
    return std::chrono::milliseconds(due > now ? (due - now + 999) / 1000 : 0);
}

uint64_t open_sessions(const std::string& vsock_socket) {
    const auto deadline = Clock::now() + agent_limit;
    const auto session = agent::connect_hybrid(vsock_socket, agent::agent_port, deadline);
    return agent::info(session.get(), deadline, current_op_id()).sessions - 1; // without this one
}

} // namespace

void Vms::arm_patrol() {
    const bool any = std::any_of(entries_.begin(), entries_.end(),
                                 [](const auto& known) { return known.second->pidfd != nullptr; });
    if (!any || ending_)
        return patrol_.cancel();
    auto next = round_time;
    for (const auto& [id, entry] : entries_)
        if (const auto left = idle_time_left(*entry); left && !entry->busy())
            next = std::clamp(*left, shortest_round, next);
    patrol_ = Timer(next, [this] {
        tools_.loop.post([this] { go_round(); }); // not in the timer that it sets anew
        return false;
    });
}

void Vms::go_round() {
    const OpScope scope(OpId::make().str());
    for (const auto& entry : list()) {
        if (!entry->pidfd)
            continue;
        try {
            bound_console(entry->paths);
            end_halted(entry);
        } catch (const Error& error) {
            log::warning("console of VM " + entry->config.name.str() + ": " + error.message());
        }
        if (const auto left = idle_time_left(*entry);
            left && left->count() == 0 && !entry->busy() && !entry->asked_whether_idle)
            ask_whether_idle(entry);
    }
    arm_patrol();
}

/// A VMM that a halted guest has left running: twice the same console, and no agent that answers. Whoever
/// writes to the console can write what a kernel says, so its words alone do not end a VM.
void Vms::end_halted(const EntryPtr& entry) {
    const auto console = console_end(entry->paths.console());
    const bool halted = has_halted(console) && entry->status.state == VmState::Running && !entry->busy();
    const bool still = halted && entry->halted_console == console;
    entry->halted_console = halted ? console : std::string();
    if (!still || entry->asked_whether_halted)
        return;
    entry->asked_whether_halted = true;
    tools_.crew.run<uint64_t>(
        {current_op_id(), false, {}},
        [vsock = entry->status.vsock_socket](HelperClient&, const std::stop_token&) {
            return open_sessions(vsock);
        },
        [this, entry, pidfd = entry->pidfd, console](const Outcome<uint64_t>& outcome) {
            entry->asked_whether_halted = false;
            if (std::holds_alternative<uint64_t>(outcome) || entry->pidfd != pidfd || entry->busy() ||
                entry->status.state != VmState::Running || console_end(entry->paths.console()) != console)
                return;
            log::info("the guest of VM " + entry->config.name.str() + " has halted: its VMM is ended");
            signal_pidfd(pidfd->get(), SIGKILL); // its end is told by its exit
        });
}

/// Sessions do not pass through the daemon, so the guest's agent is asked. One that does not answer is taken
/// for busy.
void Vms::ask_whether_idle(const EntryPtr& entry) {
    entry->asked_whether_idle = true;
    tools_.crew.run<uint64_t>(
        {current_op_id(), false, {}},
        [vsock = entry->status.vsock_socket](HelperClient&, const std::stop_token&) {
            return open_sessions(vsock);
        },
        [this, entry](const Outcome<uint64_t>& outcome) {
            entry->asked_whether_idle = false;
            const auto* const sessions = std::get_if<uint64_t>(&outcome);
            const auto left = idle_time_left(*entry);
            if (!left || left->count() > 0 || entry->busy())
                return; // a session was opened meanwhile, or it ends anyway
            if (!sessions || *sessions > 0) {
                entry->status.last_active = now_microseconds();
                write_down(*entry);
                return arm_patrol();
            }
            log::info("VM " + entry->config.name.str() + " is stopped: no session for " +
                      std::to_string(entry->config.auto_stop_after) + " s");
            try {
                stop(entry, {}, {current_op_id(), {}, false});
            } catch (const Error& error) {
                log::warning("cannot stop VM " + entry->config.name.str() + ": " + error.message());
            }
        });
}

} // namespace banger::daemon
