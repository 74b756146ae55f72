// Ending a VMM: a linear function for a worker thread.
#pragma once

#include "base/fd.hpp"
#include "daemon/helper_client.hpp"
#include "daemon/job/steps.hpp"
#include "daemon/vm/vm.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

namespace banger::daemon {

struct StopPlan {
    VmId id;
    std::shared_ptr<const OwnedFd> pidfd; ///< null: not known; then the helper is asked
    std::string api_socket;
    std::string vsock_socket;
    std::chrono::milliseconds graceful{0}; ///< how long the guest may take to shut down; 0: it is not asked
    /// Its CPUs are held: to begin with, and still.
    std::shared_ptr<std::atomic_bool> held = std::make_shared<std::atomic_bool>(false);
};

enum class StopResult { Graceful, Killed };
/// As org.banger.Vm1.ExitReason has it.
Ending ending_of_stop(StopResult result);

/// Asks the guest's agent to shut down (or, where that fails, presses ctrl-alt-del), waits for the VMM to
/// end, and kills it when it does not, or as soon as `hurry` is asked for. Returns when it has ended. Steps:
/// (resume), (shutdown), (kill).
StopResult stop_vmm(const StopPlan& plan, HelperClient& helper, Steps& steps, const std::stop_token& hurry);

} // namespace banger::daemon
