#include "base/log.hpp"
#include "base/pidfd.hpp"
#include "daemon/vm/vms.hpp"

#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace banger::daemon {

JobPtr Vms::stop(const EntryPtr& entry, const StopRequest& wanted, const Request& request) {
    return enqueue_stop(entry, wanted.timeout.count() == 0 ? OpKind::Kill : OpKind::Stop, wanted, request);
}

JobPtr Vms::kill(const EntryPtr& entry, const SignalName& signal, const Request& request) {
    if (signal.number() != SIGKILL)
        return send_signal(entry, signal, request);
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
    return {.id = entry.config.id,
            .pidfd = entry.pidfd,
            .api_socket = entry.status.api_socket,
            .vsock_socket = entry.status.vsock_socket,
            .graceful = graceful,
            .held = std::make_shared<std::atomic_bool>(entry.status.state == VmState::Paused)};
}

void Vms::begin_stop(const EntryPtr& entry, const JobPtr& job, const StopRequest& wanted) {
    if (!entry->pidfd && (!entry->recovering || !is_active(entry->status.state))) { // nothing runs
        if (entry->config.ephemeral) {
            doom(*entry);
            return end_delete(entry, job);
        }
        job->succeed(result_of(*entry));
        return entry->finished();
    }
    entry->exit_watch.cancel(); // this is what sees its end now
    const auto plan =
        plan_stop(*entry, entry->config.ephemeral ? std::chrono::milliseconds(0) : wanted.timeout);
    advance(*entry, VmEvent::Stop);
    auto hurry = entry->current()->hurry.get_token();
    tools_.crew.run<StopResult>(
        task_of(*job),
        [plan, hurry, sink = tools_.jobs.step_sink(job)](HelperClient& helper, const std::stop_token& stop) {
            Steps steps(sink, stop);
            return stop_vmm(plan, helper, steps, hurry);
        },
        [this, entry, job, plan](Outcome<StopResult> outcome) {
            stopped(entry, job, plan, std::move(outcome));
        });
}

void Vms::stopped(const EntryPtr& entry, const JobPtr& job, const StopPlan& plan,
                  Outcome<StopResult> outcome) {
    if (const auto* error = std::get_if<Error>(&outcome)) {
        advance(*entry, *plan.held ? VmEvent::StopFailedHeld : VmEvent::StopFailed);
        if (entry->pidfd)
            watch_exit(entry);
        job->fail(*error);
        return entry->finished();
    }
    forget_vmm(*entry);
    advance(*entry, VmEvent::Ended, ending_of_stop(std::get<StopResult>(outcome)));
    recovery_over(*entry);
    if (entry->config.ephemeral || entry->status.state == VmState::Deleting) {
        doom(*entry);
        return end_delete(entry, job);
    }
    enqueue_cleanup(entry); // slow, and nobody waits for it but a start of this VM
    job->succeed(result_of(*entry));
    entry->finished();
}

/// To the VMM, which runs with the owner's uid. What it does with it is its own matter; so this waits for
/// nothing and nobody.
JobPtr Vms::send_signal(const EntryPtr& entry, const SignalName& signal, const Request& request) {
    if (!entry->pidfd)
        throw Error(ErrorCode::FailedPrecondition,
                    "VM " + entry->config.name.str() + " is " +
                        std::string(vm_state_name(entry->status.state)) + ": there is no VMM to signal",
                    "start it first: banger vm start " + entry->config.name.str());
    const auto job = make_job("vm-kill", request, false);
    if (const int error = signal_pidfd(entry->pidfd->get(), signal.number())) {
        job->fail(errno_error("send " + signal.str() + " to the VMM", error));
        return job;
    }
    entry->sent = SentSignal{signal, Clock::now()};
    job->succeed(result_of(*entry));
    return job;
}

} // namespace banger::daemon
