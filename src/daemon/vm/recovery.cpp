#include "daemon/vm/recovery.hpp"

#include "agent/client.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/op_id.hpp"
#include "daemon/vm/ending.hpp"
#include "daemon/wait.hpp"
#include "vmm/client.hpp"

namespace banger::daemon {

namespace {

constexpr std::chrono::seconds answer_limit{10};

bool is_paused(const RunningVmm& vmm) {
    return vmm::VmmClient(vmm.api_socket, {.timeout = answer_limit}).describe().state == "Paused";
}

void require_agent(const RunningVmm& vmm) {
    const auto deadline = Clock::now() + answer_limit;
    const auto session = agent::connect_hybrid(vmm.vsock_socket, agent::agent_port, deadline);
    agent::info(session.get(), deadline, current_op_id());
}

/// Without a VMM when none runs, or nobody answers in it.
Recovered find_running(const RecoveryPlan& plan, HelperClient& helper) {
    const auto facts = helper.inspect(plan.id);
    if (facts.state != "running" || facts.pid <= 0)
        return {nullptr, false, how_it_ended(-1, plan.paths.console())};
    try {
        RunningVmm vmm{facts.pid, open_pidfd(facts.pid), facts.api_socket, facts.vsock_socket, facts.vmm,
                       facts.tap};
        // The descriptor is of that process only if the process is still the VMM now that we hold it.
        if (helper.inspect(plan.id).state != "running")
            return {nullptr, false, how_it_ended(vmm.pidfd.get(), plan.paths.console())};
        const bool paused = is_paused(vmm);
        if (!paused)
            require_agent(vmm);
        return {std::make_shared<RunningVmm>(std::move(vmm)), paused, {}};
    } catch (const Error& error) {
        log::warning("VM " + plan.id.str() + " runs, but nobody answers in it: " + error.message());
        return {nullptr, false, {std::string(exit_reason::killed), "it did not answer a new daemon"}};
    }
}

} // namespace

Recovered recover_vm(const RecoveryPlan& plan, HelperClient& helper) {
    Recovered found;
    if (plan.adopt)
        found = find_running(plan, helper);
    if (found.vmm)
        return found;
    if (plan.host_rebooted)
        found.ending = {std::string(exit_reason::host_reboot), {}};
    clean_up(plan.id, plan.paths, true, false, helper);
    return found;
}

void clean_up(const VmId& id, const VmPaths& paths, bool held_by_helper, bool all, HelperClient& helper) {
    if (held_by_helper)
        helper.cleanup(id);
    if (all)
        remove_tree(paths.folder);
}

} // namespace banger::daemon
