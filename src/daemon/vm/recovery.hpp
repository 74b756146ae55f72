// After a restart of the daemon: what became of a VM meanwhile. Functions for worker threads.
#pragma once

#include "daemon/helper_client.hpp"
#include "daemon/vm/start.hpp"
#include "daemon/vm/vm.hpp"

#include <memory>

namespace banger::daemon {

struct RecoveryPlan {
    VmId id;
    VmPaths paths;
    bool adopt = false; ///< take it back if it still runs; else whatever runs is ended
    bool host_rebooted = false;
};

struct Recovered {
    std::shared_ptr<RunningVmm> vmm; ///< null: it does not run, and nothing of it is left
    bool paused = false;
    Ending ending; ///< of one that should have run
};

/// The running VMM, when it was to be adopted, runs, and its agent answers or the VMM says that it is paused.
Recovered recover_vm(const RecoveryPlan& plan, HelperClient& helper);

/// Removes what the helper holds of a VM (where it may hold anything), and the VM's folder where `all` is to
/// go. Idempotent.
void clean_up(const VmId& id, const VmPaths& paths, bool held_by_helper, bool all, HelperClient& helper);

} // namespace banger::daemon
