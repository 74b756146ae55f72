// A stop and a start as one job.
#include "daemon/vm/vms.hpp"

namespace banger::daemon {

JobPtr Vms::restart(const EntryPtr& entry, const RestartRequest& wanted, const Request& request) {
    require_startable(*entry);
    const auto job = make_job("vm-restart", request, true);
    entry->enqueue({.kind = OpKind::Restart, .job = job, .begin = [this, entry, job, wanted] {
                        const OpScope scope(job->spec().op_id);
                        begin_restart(entry, job, wanted);
                    }});
    return job;
}

void Vms::begin_restart(const EntryPtr& entry, const JobPtr& job, const RestartRequest& wanted) {
    if (!entry->pidfd || job->stop_token().stop_requested()) { // nothing to stop, or not to be stopped
        entry->become(OpKind::Start, job);
        return begin_start(entry, job, wanted.start.ready_timeout);
    }
    entry->exit_watch.cancel(); // this is what sees its end now
    const auto plan = plan_stop(*entry, wanted.stop.timeout);
    advance(*entry, VmEvent::Stop);
    // Once begun, the stop goes on to its end, whoever cancels the job: then nothing follows it.
    tools_.crew.run<StopResult>(
        {job->spec().op_id, job->spec().interactive, {}},
        [plan, hurry = entry->current()->hurry.get_token(),
         sink = tools_.jobs.step_sink(job)](HelperClient& helper, const std::stop_token& stop) {
            Steps steps(sink, stop);
            return stop_vmm(plan, helper, steps, hurry);
        },
        [this, entry, job, wanted, plan](Outcome<StopResult> outcome) {
            stopped_to_restart(entry, job, wanted, plan, std::move(outcome));
        });
}

void Vms::stopped_to_restart(const EntryPtr& entry, const JobPtr& job, const RestartRequest& wanted,
                             const StopPlan& plan, Outcome<StopResult> outcome) {
    const auto* const result = std::get_if<StopResult>(&outcome);
    if (!result)
        return stopped(entry, job, plan, std::move(outcome)); // as of any stop
    forget_vmm(*entry);
    advance(*entry, VmEvent::Ended, ending_of_stop(*result));
    if (job->stop_token().stop_requested() || entry->status.state == VmState::Deleting) {
        job->fail(Error(ErrorCode::Cancelled, "cancelled after the stop").at_step("start"));
        if (entry->config.ephemeral || entry->status.state == VmState::Deleting) {
            doom(*entry);
            return end_delete(entry, nullptr);
        }
        enqueue_cleanup(entry);
        return entry->finished();
    }
    entry->become(OpKind::Start, job);
    begin_start(entry, job, wanted.start.ready_timeout);
}

} // namespace banger::daemon
