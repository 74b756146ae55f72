// A VM as values: what it is made of, what state it is in, and which states may follow which.
#pragma once

#include "base/names.hpp"
#include "base/net_types.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace banger::daemon {

/// The order is that of the table in vm.cpp.
enum class VmState { Created, Starting, Running, Stopping, Stopped, Failed, Deleting };

/// "running", as org.banger.Vm1.State has it.
std::string_view vm_state_name(VmState state) noexcept;
/// Throws Internal for a name that is none (a database of another hand).
VmState vm_state_named(std::string_view name);
/// Whether a VM in `from` may come into `to`. Nothing follows Deleting; Deleting follows all.
bool may_follow(VmState from, VmState to) noexcept;
/// There is, or may be, a VMM: Starting, Running, Stopping.
bool is_active(VmState state) noexcept;

/// Why a VM is not running, as org.banger.Vm1.ExitReason has it.
namespace exit_reason {
inline constexpr std::string_view none = "";
inline constexpr std::string_view stopped = "stopped";
inline constexpr std::string_view killed = "killed";
inline constexpr std::string_view guest_shutdown = "guest-shutdown";
inline constexpr std::string_view vmm_died = "vmm-died";
inline constexpr std::string_view start_failed = "start-failed";
} // namespace exit_reason

/// What a VM is made of; never changes after its creation.
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

    /// The vsock context id: the address as a number, since vhost-vsock's are unique on the host (vsock(7)),
    /// as the addresses of all banger bridges are.
    uint32_t guest_cid() const noexcept { return address.bits(); }
    bool boots() const noexcept { return vmm != "null"; }
};

/// What changes about it.
struct VmStatus {
    VmState state = VmState::Created;
    std::string exit_reason;
    uint64_t started_at = 0; ///< µs since the Unix epoch; 0: never
    // Of a running VM only; found again through the helper after a restart of the daemon.
    int pid = 0;
    std::string api_socket;
    std::string vsock_socket;
    std::string vmm; ///< what runs it: "firecracker", "qemu" or "null"
};

/// Folder of a VM below the owner's data folder, and what lies in it.
struct VmPaths {
    std::string folder;
    std::string work_disk() const { return folder + "/work.ext4"; }
    std::string console() const { return folder + "/console.log"; }
};
VmPaths vm_paths(const std::string& data_dir, const VmId& id);

} // namespace banger::daemon
