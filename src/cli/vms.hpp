// The owner's VMs, as the daemon lists them.
#pragma once

#include "cli/manager.hpp"
#include "cli/vm_info.hpp"

#include <vector>

namespace banger::cli {

/// All of them, the oldest first.
std::vector<VmInfo> all_vms(Manager& manager);

} // namespace banger::cli
