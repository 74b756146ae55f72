#include "base/log.hpp"
#include "daemon/vm/console.hpp"
#include "daemon/vm/vms.hpp"

namespace banger::daemon {

JobPtr Vms::stop(const EntryPtr& entry, const StopRequest& wanted, const Request& request) {
    return enqueue_stop(entry, wanted.timeout.count() == 0 ? OpKind::Kill : OpKind::Stop, wanted, request);
}

JobPtr Vms::kill(const EntryPtr& entry, const Request& request) {
    return enqueue_stop(entry, OpKind::Kill, {std::chrono::milliseconds(0)}, request);
}

JobPtr Vms::enqueue_stop(const EntryPtr& entry, OpKind kind, const StopRequest& wanted,
                         const Request& request) {
    const auto job = make_job(kind == OpKind::Kill ? "vm-kill" : "vm-stop", request, false);
    entry->cancel_starts();
    if (kind == OpKind::Kill)
        entry->hurry_stop();
    entry->enqueue({.kind = kind, .job = job, .begin = [this, entry, job, wanted] {
                        const OpScope scope(job->spec().op_id);
                        begin_stop(entry, job, wanted);
                    }});
    return job;
}

StopPlan Vms::plan_stop(const VmEntry& entry, std::chrono::milliseconds graceful) const {
    return {entry.config.id, entry.pidfd, entry.status.api_socket, entry.status.vsock_socket, graceful};
}

void Vms::begin_stop(const EntryPtr& entry, const JobPtr& job, const StopRequest& wanted) {
    if (!entry->pidfd && !entry->recovering) { // nothing runs
        if (entry->config.ephemeral) {
            doom(*entry);
            return end_delete(entry, job);
        }
        job->succeed(result_of(*entry));
        return entry->finished();
    }
    entry->exit_watch.cancel(); // this is what sees its end now
    set_state(*entry, VmState::Stopping, exit_reason::none);
    const auto plan =
        plan_stop(*entry, entry->config.ephemeral ? std::chrono::milliseconds(0) : wanted.timeout);
    auto hurry = entry->current()->hurry.get_token();
    tools_.crew.run<StopResult>(
        task_of(*job),
        [plan, hurry, sink = tools_.jobs.step_sink(job)](HelperClient& helper, const std::stop_token& stop) {
            Steps steps(sink, stop);
            return stop_vmm(plan, helper, steps, hurry);
        },
        [this, entry, job](Outcome<StopResult> outcome) { stopped(entry, job, std::move(outcome)); });
}

void Vms::stopped(const EntryPtr& entry, const JobPtr& job, Outcome<StopResult> outcome) {
    if (const auto* error = std::get_if<Error>(&outcome)) {
        set_state(*entry, VmState::Running, exit_reason::none);
        if (entry->pidfd)
            entry->exit_watch = FdWatch(entry->pidfd->get(), [this, weak = std::weak_ptr(entry)] {
                if (const auto known = weak.lock())
                    on_exit(known);
                return false;
            });
        job->fail(*error);
        return entry->finished();
    }
    entry->recovering = false;
    forget_vmm(*entry);
    const bool graceful = std::get<StopResult>(outcome) == StopResult::Graceful;
    set_state(*entry, VmState::Stopped, graceful ? exit_reason::stopped : exit_reason::killed);
    if (entry->config.ephemeral || entry->status.state == VmState::Deleting) {
        doom(*entry);
        return end_delete(entry, job);
    }
    enqueue_cleanup(entry); // slow, and nobody waits for it but a start of this VM
    job->succeed(result_of(*entry));
    entry->finished();
}

/// The VMM has ended by itself.
void Vms::on_exit(const EntryPtr& entry) {
    entry->enqueue_front(
        {.kind = OpKind::Exit, .job = nullptr, .begin = [this, entry] {
             const OpScope scope(OpId::make().str());
             if (!entry->pidfd || entry->status.state != VmState::Running)
                 return entry->finished();
             const auto reason = guest_ended_itself(entry->paths.console()) ? exit_reason::guest_shutdown
                                                                            : exit_reason::vmm_died;
             log::write(reason == exit_reason::vmm_died ? log::Level::Warning : log::Level::Info,
                        "VM " + entry->config.name.str() + " has ended: " + std::string(reason),
                        {{"VM_ID", entry->config.id.str()}});
             forget_vmm(*entry);
             set_state(*entry, VmState::Stopped, reason);
             if (entry->config.ephemeral) {
                 doom(*entry);
                 return end_delete(entry, nullptr);
             }
             enqueue_cleanup(entry);
             entry->finished();
         }});
}

} // namespace banger::daemon
