// A VM as the daemon describes it, and how it is shown.
#pragma once

#include "bus/compat.hpp"
#include "cli/output.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace banger::cli {

/// The properties of org.banger.Vm1; what the daemon did not send stays empty.
struct VmInfo {
    std::string id;
    std::string name;
    std::string state;
    std::string address;
    std::string image;
    std::string kernel;
    uint32_t vcpus = 0;
    uint32_t memory_mib = 0;
    uint64_t disk_bytes = 0;
    std::string vmm;
    uint32_t pid = 0;
    std::string exit_reason;
    std::string exit_detail; ///< for people
    bool nat = true;
    bool ephemeral = false;
    bool is_protected = false;
    bool autostart = false;
    uint32_t auto_stop_after_s = 0; ///< 0: never
    uint64_t created_at = 0;        ///< µs since the Unix epoch; 0: never
    uint64_t started_at = 0;
    uint64_t last_active = 0;

    /// Has a VMM, or is about to have or lose one. States that are not known count.
    bool active() const;
};

VmInfo vm_info(const bus::Variants& properties);

Json vm_json(const VmInfo& vm);
/// "running"; with why it is at rest, where nobody asked for that: "stopped (panic)".
std::string vm_state(const VmInfo& vm);
/// "512 MiB".
std::string vm_memory(const VmInfo& vm);
/// "3 minutes"; nothing while it does not run. `now`: µs since the epoch, as below.
std::string vm_uptime(const VmInfo& vm, uint64_t now);
/// All about it.
std::string vm_description(const VmInfo& vm, uint64_t now);

} // namespace banger::cli
