// The guest kernel's command line: what the agent reads (banger.*) and what makes a boot fast.
#pragma once

#include "base/net_types.hpp"
#include "daemon/vm/vm.hpp"

#include <string>

namespace banger::daemon {

struct GuestBoot {
    Ipv4Cidr bridge;      ///< the bridge's address: the guest's gateway
    std::string vmm;      ///< what runs it: "firecracker", "qemu" or "null"
    bool has_root = true; ///< drives rootfs and work are there
};

std::string command_line(const VmConfig& vm, const GuestBoot& boot);

} // namespace banger::daemon
