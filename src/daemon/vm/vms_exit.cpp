// What follows when a VMM has ended by itself.
#include "base/log.hpp"
#include "daemon/clock.hpp"
#include "daemon/vm/ending.hpp"
#include "daemon/vm/vms.hpp"

namespace banger::daemon {

namespace {

/// A guest that reboots so often, so soon after it was ready, does so for ever.
constexpr unsigned most_quick_reboots = 5;
constexpr std::chrono::seconds quick{60};

/// In which a VMM follows a signal that it handles itself: its status then says nothing of it.
constexpr std::chrono::seconds signal_takes{10};

bool ends_by_signal(const VmEntry& entry, const Ending& ending) {
    return entry.sent &&
           (ending.signal == entry.sent->signal.number() || Clock::now() - entry.sent->at < signal_takes);
}

/// In a row, with this ending.
unsigned count_quick_reboots(const VmEntry& entry, const Ending& ending) {
    const auto ran = now_microseconds() - entry.status.started_at;
    const bool counts =
        ending.reason == exit_reason::reboot && ran < uint64_t(std::chrono::microseconds(quick).count());
    return counts ? entry.quick_reboots + 1 : 0;
}

} // namespace

void Vms::on_exit(const EntryPtr& entry) {
    entry->enqueue_front({.kind = OpKind::Exit, .job = nullptr, .begin = [this, entry] {
                              const OpScope scope(OpId::make().str());
                              begin_exit(entry);
                          }});
}

void Vms::begin_exit(const EntryPtr& entry) {
    if (!entry->pidfd || !wait_readable(entry->pidfd->get(), 0))
        return entry->finished(); // a stop has seen to it meanwhile
    tools_.crew.run<Ending>(
        {current_op_id(), false, {}},
        [pidfd = entry->pidfd, console = entry->paths.console()](HelperClient&, const std::stop_token&) {
            return how_it_ended(pidfd->get(), console);
        },
        [this, entry](Outcome<Ending> outcome) {
            auto* const ending = std::get_if<Ending>(&outcome);
            exited(entry, ending ? std::move(*ending) : Ending{std::string(exit_reason::crashed), {}});
        });
}

void Vms::exited(const EntryPtr& entry, Ending ending) {
    const bool told = ending.reason == exit_reason::reboot || ending.reason == exit_reason::panic;
    if (!told && ends_by_signal(*entry, ending))
        ending = {std::string(exit_reason::killed), "signal " + entry->sent->signal.str() + " was sent"};
    const auto quick_reboots = count_quick_reboots(*entry, ending);
    const bool for_ever = quick_reboots >= most_quick_reboots;
    if (for_ever)
        ending.detail = "it has rebooted " + std::to_string(quick_reboots) + " times in a row within " +
                        std::to_string(quick.count()) + " s of its start, and is not started again";
    const bool is_bad =
        for_ever || ending.reason == exit_reason::crashed || ending.reason == exit_reason::panic;
    log::write(is_bad ? log::Level::Warning : log::Level::Info,
               "VM " + entry->config.name.str() + " has ended: " + ending.reason +
                   (ending.detail.empty() ? "" : ": " + ending.detail),
               {{"VM_ID", entry->config.id.str()}});
    const bool again = ending.reason == exit_reason::reboot && !for_ever && !entry->config.ephemeral &&
                       !ending_ && !entry->end_is_waiting() && entry->status.state != VmState::Deleting;
    forget_vmm(*entry);
    advance(*entry, VmEvent::Ended, std::move(ending));
    if (again) {
        entry->quick_reboots = quick_reboots;
        return start_again(entry);
    }
    if (entry->config.ephemeral) {
        doom(*entry);
        return end_delete(entry, nullptr);
    }
    enqueue_cleanup(entry);
    entry->finished();
}

/// The guest has rebooted, which ends a VMM; so it is the daemon that boots it again.
void Vms::start_again(const EntryPtr& entry) {
    try {
        const auto job = make_job("vm-restart", {current_op_id(), {}, false}, true);
        entry->become(OpKind::Start, job);
        begin_start(entry, job, StartRequest().ready_timeout);
    } catch (const Error& error) { // too many jobs
        log::warning("VM " + entry->config.name.str() + " is not started again: " + error.message());
        enqueue_cleanup(entry);
        entry->finished();
    }
}

} // namespace banger::daemon
