// Holding a guest's CPUs, and letting them go again.
#include "daemon/clock.hpp"
#include "daemon/vm/pause.hpp"
#include "daemon/vm/vms.hpp"

namespace banger::daemon {

JobPtr Vms::pause(const EntryPtr& entry, const Request& request) {
    return enqueue_pause(entry, Held::Paused, request);
}

JobPtr Vms::resume(const EntryPtr& entry, const Request& request) {
    return enqueue_pause(entry, Held::Running, request);
}

JobPtr Vms::enqueue_pause(const EntryPtr& entry, Held wanted, const Request& request) {
    const auto job = make_job(wanted == Held::Paused ? "vm-pause" : "vm-resume", request, false);
    entry->enqueue({.kind = OpKind::Pause, .job = job, .begin = [this, entry, job, wanted] {
                        const OpScope scope(job->spec().op_id);
                        begin_pause(entry, job, wanted);
                    }});
    return job;
}

void Vms::begin_pause(const EntryPtr& entry, const JobPtr& job, Held wanted) {
    const auto state = entry->status.state;
    if (!entry->pidfd || (state != VmState::Running && state != VmState::Paused)) {
        job->fail(Error(ErrorCode::FailedPrecondition,
                        "VM " + entry->config.name.str() + " is not running (" +
                            std::string(vm_state_name(state)) + ")",
                        "start it: banger vm start " + entry->config.name.str()));
        return entry->finished();
    }
    // A resume is always sent: a pause whose answer was lost may have held the guest all the same.
    if (wanted == Held::Paused && state == VmState::Paused) {
        job->succeed(result_of(*entry));
        return entry->finished();
    }
    tools_.crew.run<Nothing>(
        {job->spec().op_id, false, {}},
        [api = entry->status.api_socket, vsock = entry->status.vsock_socket, wanted,
         sink = tools_.jobs.step_sink(job)](HelperClient&, const std::stop_token& stop) {
            Steps steps(sink, stop);
            wanted == Held::Paused ? pause_vmm(api, steps) : resume_vmm(api, vsock, steps);
            return Nothing{};
        },
        [this, entry, job, wanted](const Outcome<Nothing>& outcome) {
            if (const auto* error = std::get_if<Error>(&outcome)) {
                job->fail(*error);
                return entry->finished();
            }
            if (wanted == Held::Paused)
                advance(*entry, VmEvent::Pause);
            else if (entry->status.state == VmState::Paused)
                advance(*entry, VmEvent::Resume);
            entry->status.last_active = now_microseconds();
            job->succeed(result_of(*entry));
            entry->finished();
        });
}

} // namespace banger::daemon
