// A VM as values: what it is made of, and how it is.
#pragma once

#include "base/names.hpp"
#include "base/net_types.hpp"
#include "daemon/vm/state.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace banger::daemon {

/// Why a VM is not running, as org.banger.Vm1.ExitReason has it.
namespace exit_reason {
inline constexpr std::string_view none = "";
inline constexpr std::string_view stopped = "stopped";
inline constexpr std::string_view killed = "killed";
inline constexpr std::string_view poweroff = "poweroff"; ///< the guest ended by itself
inline constexpr std::string_view reboot = "reboot";
inline constexpr std::string_view panic = "panic";     ///< the guest's kernel
inline constexpr std::string_view crashed = "crashed"; ///< the VMM
inline constexpr std::string_view host_reboot = "host-reboot";
inline constexpr std::string_view start_failed = "start-failed";
} // namespace exit_reason

/// How the last run of a VM ended.
struct Ending {
    std::string reason; ///< one of exit_reason
    std::string detail; ///< for people: "signal 9 (Killed)"; often empty
    int signal = 0;     ///< that the VMM died of; 0: of none, or it is not known
};

/// What a VM is made of. Changes only by rename and set.
struct VmConfig {
    VmId id;
    DnsLabel name;
    std::string image;  ///< empty only with vmm null
    std::string kernel; ///< likewise
    uint32_t vcpus = 0;
    uint32_t memory_mib = 0;
    uint64_t disk_bytes = 0;
    Ipv4Address address;
    bool nat = true;       ///< the guest reaches beyond this host
    std::string vmm;       ///< "auto": chosen at each start; "firecracker", "qemu" or "null"
    std::string null_mode; ///< of Launch, with vmm null; mostly empty
    bool ephemeral = false;
    bool tied = false;       ///< goes with the client that made it
    uint64_t created_at = 0; ///< µs since the Unix epoch
    bool autostart = false;  ///< start it when the host has booted
    bool is_protected = false;
    uint32_t auto_stop_after = 0; ///< seconds without a session; 0: never

    /// The vsock context id: the address as a number, since vhost-vsock's are unique on the host (vsock(7)),
    /// as the addresses of all banger bridges are.
    uint32_t guest_cid() const noexcept { return address.bits(); }
    bool boots() const noexcept { return vmm != "null"; }
};

/// What changes about it.
struct VmStatus {
    VmState state = VmState::Created;
    Ending ending;
    uint64_t started_at = 0;  ///< µs since the Unix epoch; 0: never
    uint64_t last_active = 0; ///< likewise: started, or a session was opened or seen
    // Of a running VM only; found again through the helper after a restart of the daemon.
    int pid = 0;
    std::string api_socket;
    std::string vsock_socket;
    std::string vmm; ///< what runs it: "firecracker", "qemu" or "null"
    std::string tap;
};

/// Folder of a VM below the owner's data folder, and what lies in it.
struct VmPaths {
    std::string folder;
    std::string work_disk() const { return folder + "/work.ext4"; }
    std::string console() const { return folder + "/console.log"; }
    std::string old_console() const { return folder + "/console.log.old"; }
};
VmPaths vm_paths(const std::string& data_dir, const VmId& id);

} // namespace banger::daemon
