// Which VMs a list shows, and how; apart from the bus, so that tests can look at it.
#pragma once

#include "cli/vm_info.hpp"

namespace banger::cli {

struct VmListOptions {
    bool all = false;
    bool latest = false;
    bool quiet = false;
};

/// Of `vms`, oldest first, those to show.
std::vector<VmInfo> choose(std::vector<VmInfo> vms, const VmListOptions& options);
std::string vm_listing(const std::vector<VmInfo>& vms, const VmListOptions& options, Format format,
                       uint64_t now);

} // namespace banger::cli
