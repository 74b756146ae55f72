// Starting a VM: one linear function for a worker thread. What it did is taken back when a step fails.
#pragma once

#include "base/fd.hpp"
#include "daemon/helper_client.hpp"
#include "daemon/job/steps.hpp"
#include "daemon/kernel/kernel_store.hpp"
#include "daemon/vm/command_line.hpp"
#include "daemon/vm/vm.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace banger::daemon {

/// All that a start needs to know, as values.
struct StartPlan {
    VmConfig vm;
    VmPaths paths;
    std::string rootfs;               ///< the image's file; empty: no drives
    std::optional<KernelInfo> kernel; ///< none with vmm null
    std::string bridge;
    GuestBoot boot;            ///< without the VMM, which is known later
    bool bridge_is_up = false; ///< made by this daemon before
    bool clean_first = false;  ///< something of an earlier run may be left
    std::chrono::milliseconds ready_timeout{120'000};
};

/// A VMM that runs.
struct RunningVmm {
    int pid = 0;
    OwnedFd pidfd;
    std::string api_socket;
    std::string vsock_socket;
    std::string vmm; ///< "firecracker", "qemu" or "null"
    std::string tap;
    uint64_t disk_bytes = 0; ///< of the work disk, where it is larger than was known; else 0
};

/// Steps: (cleanup), network beside disk, launch, configure, boot, ready. Returns when the guest's agent has
/// said that it is ready. Errors name their step; those of boot and ready have the end of the console in
/// their details.
RunningVmm start_vm(const StartPlan& plan, HelperClient& helper, Steps& steps);

} // namespace banger::daemon
