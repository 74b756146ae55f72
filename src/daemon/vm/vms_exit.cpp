// What follows when a VMM has ended by itself.
#include "base/log.hpp"
#include "daemon/vm/ending.hpp"
#include "daemon/vm/vms.hpp"

namespace banger::daemon {

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
    if (entry->expected && !told)
        ending = *entry->expected;
    const bool is_bad = ending.reason == exit_reason::crashed || ending.reason == exit_reason::panic;
    log::write(is_bad ? log::Level::Warning : log::Level::Info,
               "VM " + entry->config.name.str() + " has ended: " + ending.reason +
                   (ending.detail.empty() ? "" : ": " + ending.detail),
               {{"VM_ID", entry->config.id.str()}});
    const bool again = ending.reason == exit_reason::reboot && !entry->config.ephemeral && !ending_ &&
                       !entry->end_is_waiting() && entry->status.state != VmState::Deleting;
    forget_vmm(*entry);
    advance(*entry, VmEvent::Ended, std::move(ending));
    if (again)
        return start_again(entry);
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
