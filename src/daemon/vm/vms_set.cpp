// What changes about a VM that is there.
#include "base/size.hpp"
#include "daemon/image/work_disk.hpp"
#include "daemon/vm/vms.hpp"

#include <unistd.h>

namespace banger::daemon {

namespace {

VmConfig changed(VmConfig vm, const SetRequest& wanted) {
    vm.vcpus = wanted.vcpus.value_or(vm.vcpus);
    vm.memory_mib = wanted.memory_mib.value_or(vm.memory_mib);
    vm.disk_bytes = wanted.disk_bytes.value_or(vm.disk_bytes);
    vm.nat = wanted.nat.value_or(vm.nat);
    vm.autostart = wanted.autostart.value_or(vm.autostart);
    vm.is_protected = wanted.is_protected.value_or(vm.is_protected);
    vm.auto_stop_after = wanted.auto_stop_after.value_or(vm.auto_stop_after);
    return vm;
}

/// What must be done before it may be written down.
struct SetPlan {
    VmConfig vm; ///< as it will be
    VmPaths paths;
    bool grows_disk = false; ///< one that is there
    bool sets_nat = false;   ///< of a VM that runs
};

void carry_out(const SetPlan& plan, HelperClient& helper, Steps& steps) {
    if (plan.grows_disk)
        steps.run("disk", [&] { grow_work_disk(plan.paths.work_disk(), plan.vm.disk_bytes, steps.stop()); });
    if (plan.sets_nat)
        steps.run("nat", [&] { helper.set_nat(plan.vm.id, plan.vm.address, plan.vm.nat); });
}

Error not_at_rest(const VmEntry& entry, const char* what) {
    return {ErrorCode::FailedPrecondition,
            "VM " + entry.config.name.str() + " is " + std::string(vm_state_name(entry.status.state)) + "; " +
                what,
            "stop it first: banger vm stop " + entry.config.name.str()};
}

} // namespace

void Vms::rename(const EntryPtr& entry, const DnsLabel& name) {
    if (entry->config.name.str() == name.str())
        return;
    if (is_active(entry->status.state) || (entry->busy() && !entry->only_cleaning()))
        throw not_at_rest(*entry, "only one at rest takes a new name");
    require_free_name(name);
    auto config = entry->config;
    config.name = name;
    tools_.store.update(config);
    entry->config = std::move(config);
    entry->object->emit_config();
}

JobPtr Vms::set(const EntryPtr& entry, const SetRequest& wanted, const Request& request) {
    const auto& vm = entry->config;
    if (vm.ephemeral && (wanted.is_protected.value_or(false) || wanted.autostart.value_or(false)))
        throw Error(ErrorCode::InvalidArgument,
                    "VM " + vm.name.str() + " is ephemeral: it takes neither protection nor autostart");
    const auto job = make_job("vm-set", request, false);
    entry->enqueue({.kind = OpKind::Set, .job = job, .begin = [this, entry, job, wanted] {
                        const OpScope scope(job->spec().op_id);
                        begin_set(entry, job, wanted);
                    }});
    return job;
}

void Vms::begin_set(const EntryPtr& entry, const JobPtr& job, const SetRequest& wanted) {
    try {
        const auto& vm = entry->config;
        if (wanted.needs_rest() && (is_active(entry->status.state) || entry->recovering))
            throw not_at_rest(*entry, "CPUs, memory and disk change at rest only");
        if (wanted.disk_bytes && *wanted.disk_bytes < vm.disk_bytes)
            throw Error(ErrorCode::InvalidArgument, "the disk of VM " + vm.name.str() + " has " +
                                                        human_size(vm.disk_bytes) + ", and can only grow");
        const SetPlan plan{.vm = changed(vm, wanted),
                           .paths = entry->paths,
                           .grows_disk = wanted.disk_bytes && *wanted.disk_bytes > vm.disk_bytes &&
                                         ::access(entry->paths.work_disk().c_str(), F_OK) == 0,
                           .sets_nat = entry->pidfd && wanted.nat && *wanted.nat != vm.nat};
        if (!plan.grows_disk && !plan.sets_nat)
            return end_set(entry, job, plan.vm);
        tools_.crew.run<Nothing>(
            task_of(*job),
            [plan, sink = tools_.jobs.step_sink(job)](HelperClient& helper, const std::stop_token& stop) {
                Steps steps(sink, stop);
                carry_out(plan, helper, steps);
                return Nothing{};
            },
            [this, entry, job, vm = plan.vm](const Outcome<Nothing>& outcome) {
                if (const auto* error = std::get_if<Error>(&outcome)) {
                    job->fail(*error);
                    return entry->finished();
                }
                end_set(entry, job, vm);
            });
    } catch (const Error& error) {
        job->fail(error);
        entry->finished();
    }
}

void Vms::end_set(const EntryPtr& entry, const JobPtr& job, const VmConfig& vm) {
    try {
        tools_.store.update(vm);
        entry->config = vm;
        if (entry->object)
            entry->object->emit_config();
        job->succeed(result_of(*entry));
        arm_patrol();
    } catch (const Error& error) {
        job->fail(error);
    }
    entry->finished();
}

} // namespace banger::daemon
