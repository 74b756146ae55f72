#include "base/log.hpp"
#include "daemon/clock.hpp"
#include "daemon/host.hpp"
#include "daemon/network_plan.hpp"
#include "daemon/vm/vms.hpp"

namespace banger::daemon {

void Vms::require_startable(const VmEntry& entry) const {
    if (ending_)
        throw Error(ErrorCode::Unavailable, "the daemon is about to end", "call again: it is started anew");
    if (entry.status.state == VmState::Deleting)
        throw Error(ErrorCode::FailedPrecondition, "VM " + entry.config.name.str() + " is being deleted");
}

JobPtr Vms::start(const EntryPtr& entry, std::chrono::milliseconds ready_timeout, const Request& request) {
    require_startable(*entry);
    const auto job = make_job("vm-start", request, true);
    enqueue_start(entry, job, ready_timeout);
    return job;
}

void Vms::enqueue_start(const EntryPtr& entry, const JobPtr& job, std::chrono::milliseconds ready_timeout) {
    if (!entry->busy() && !is_active(entry->status.state))
        advance(*entry, VmEvent::Start);
    entry->enqueue({.kind = OpKind::Start, .job = job, .begin = [this, entry, job, ready_timeout] {
                        const OpScope scope(job->spec().op_id);
                        begin_start(entry, job, ready_timeout);
                    }});
}

StartPlan Vms::plan_start(const VmEntry& entry, std::chrono::milliseconds ready_timeout) {
    const auto& vm = entry.config;
    require_memory(vm.memory_mib,
                   host_memory_mib()); // the VM may have been made on another day, with more of it
    StartPlan plan{.vm = vm,
                   .paths = entry.paths,
                   .rootfs = {},
                   .kernel = {},
                   .bridge = bridge_name(tools_.uid),
                   .boot = {.bridge = network(), .vmm = {}, .has_root = !vm.image.empty()},
                   .bridge_is_up = bridge_is_up_,
                   .clean_first = entry.needs_cleanup,
                   .ready_timeout = ready_timeout};
    if (!vm.image.empty())
        plan.rootfs = tools_.catalog.image(StoreName::parse(vm.image, "image name")).path;
    if (!vm.kernel.empty())
        plan.kernel = tools_.catalog.kernel(StoreName::parse(vm.kernel, "kernel name"));
    return plan;
}

void Vms::begin_start(const EntryPtr& entry, const JobPtr& job, std::chrono::milliseconds ready_timeout) {
    if (job->stop_token().stop_requested() || entry->status.state == VmState::Deleting)
        return start_failed(entry, job, Error(ErrorCode::Cancelled, "cancelled before it began"));
    if (entry->recovering)
        return start_failed(entry, job,
                            Error(ErrorCode::Unavailable,
                                  "what became of the VM is not known: the helper cannot be asked",
                                  "is the helper's service well? its log tells; then try again"));
    if (entry->pidfd) {
        if (entry->status.state == VmState::Paused)
            return start_failed(entry, job,
                                Error(ErrorCode::FailedPrecondition,
                                      "VM " + entry->config.name.str() + " is paused",
                                      "let it run again: banger vm resume " + entry->config.name.str()));
        job->succeed(result_of(*entry));
        return entry->finished();
    }
    try {
        // Before all that can fail: what an earlier run has left goes with a failed start.
        if (entry->status.state != VmState::Starting)
            advance(*entry, VmEvent::Start);
        const auto plan = plan_start(*entry, ready_timeout);
        entry->retry.cancel();
        entry->needs_cleanup = true;
        tools_.crew.run<std::shared_ptr<RunningVmm>>(
            task_of(*job),
            [plan, sink = tools_.jobs.step_sink(job)](HelperClient& helper, const std::stop_token& stop) {
                Steps steps(sink, stop);
                return std::make_shared<RunningVmm>(start_vm(plan, helper, steps));
            },
            [this, entry, job](Outcome<std::shared_ptr<RunningVmm>> outcome) {
                if (const auto* error = std::get_if<Error>(&outcome))
                    return start_failed(entry, job, *error);
                started(entry, job, std::move(*std::get<0>(outcome)));
            });
    } catch (...) {
        start_failed(entry, job, bus::current_error());
    }
}

void Vms::started(const EntryPtr& entry, const JobPtr& job, RunningVmm vmm) {
    bridge_is_up_ = true;
    if (entry->config.vmm == "auto")
        automatic_vmm_ = vmm.vmm;
    entry->status.started_at = now_microseconds();
    entry->status.last_active = entry->status.started_at;
    if (vmm.disk_bytes > 0)
        note_disk(entry, vmm.disk_bytes);
    hold_vmm(entry, std::move(vmm));
    advance(*entry, VmEvent::Ready);
    job->succeed(result_of(*entry));
    entry->finished();
}

void Vms::note_disk(const EntryPtr& entry, uint64_t bytes) {
    try {
        auto config = entry->config;
        config.disk_bytes = bytes;
        tools_.store.update(config);
        entry->config = std::move(config);
        if (entry->object)
            entry->object->emit_config();
    } catch (const Error& error) { // the next start finds it out again
        log::error("cannot write down the disk of VM " + entry->config.id.str() + ": " + error.message());
    }
}

/// The worker has taken back what it did; where it could not, the cleanup that follows tries again.
void Vms::start_failed(const EntryPtr& entry, const JobPtr& job, const Error& error) {
    if (error.step() == "network")
        bridge_is_up_ = false;
    entry->quick_reboots = 0;
    if (!entry->recovering && entry->status.state == VmState::Starting) {
        if (error.code() == ErrorCode::Cancelled)
            advance(*entry, VmEvent::StartCancelled, {std::string(exit_reason::stopped), {}});
        else
            advance(*entry, VmEvent::StartFailed, {std::string(exit_reason::start_failed), error.message()});
        if (entry->config.ephemeral) {
            doom(*entry);
            entry->object.reset();
            enqueue_delete(entry, nullptr);
        } else if (entry->needs_cleanup) {
            enqueue_cleanup(entry);
        }
    }
    job->fail(error);
    entry->finished();
}

} // namespace banger::daemon
