#include "daemon/vm/recovery.hpp"

#include "agent/client.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/op_id.hpp"
#include "daemon/wait.hpp"

namespace banger::daemon {

namespace {

constexpr std::chrono::seconds answer_limit{10};

/// Nothing when it does not run, or its agent does not answer.
std::optional<RunningVmm> find_running(const VmId& id, HelperClient& helper) {
    const auto facts = helper.inspect(id);
    if (facts.state != "running" || facts.pid <= 0)
        return std::nullopt;
    try {
        RunningVmm vmm{facts.pid, open_pidfd(facts.pid), facts.api_socket, facts.vsock_socket, facts.vmm};
        // The descriptor is of that process only if the process is still the VMM now that we hold it.
        if (helper.inspect(id).state != "running")
            return std::nullopt;
        const auto deadline = Clock::now() + answer_limit;
        const auto session = agent::connect_hybrid(vmm.vsock_socket, agent::agent_port, deadline);
        agent::info(session.get(), deadline, current_op_id());
        return vmm;
    } catch (const Error& error) {
        log::warning("VM " + id.str() + " runs, but its agent does not answer: " + error.message());
        return std::nullopt;
    }
}

} // namespace

std::optional<RunningVmm> recover_vm(const RecoveryPlan& plan, HelperClient& helper) {
    if (plan.adopt)
        if (auto vmm = find_running(plan.id, helper))
            return vmm;
    clean_up(plan.id, plan.paths, true, false, helper);
    return std::nullopt;
}

void clean_up(const VmId& id, const VmPaths& paths, bool held_by_helper, bool all, HelperClient& helper) {
    if (held_by_helper)
        helper.cleanup(id);
    if (all)
        remove_tree(paths.folder);
}

} // namespace banger::daemon
