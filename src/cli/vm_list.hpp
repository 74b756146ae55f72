// Which VMs a list shows, and how; apart from the bus, so that tests can look at it.
#pragma once

#include "cli/listing.hpp"
#include "cli/vm_info.hpp"

namespace banger::cli {

struct VmListOptions : ListOptions {
    bool all = false;
    bool latest = false;

    void declare_all(CLI::App& app);
    /// Throws InvalidArgument for what contradicts itself.
    void check_all(Format format) const;
};

/// Of `vms`, oldest first, those to show, filters aside. Who filters by state asks for all states.
std::vector<VmInfo> choose(std::vector<VmInfo> vms, const VmListOptions& options);
/// `now` (µs since the epoch) is what ages are counted to.
std::string vm_listing(const std::vector<VmInfo>& vms, const VmListOptions& options, Format format,
                       uint64_t now);

} // namespace banger::cli
