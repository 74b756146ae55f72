// What the ledger writes down, as values: one record per VM and one per bridge, and their JSON.
#pragma once

#include "base/names.hpp"
#include "base/net_types.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace banger::helper {

/// How far a thing is. The step is written before the act, so that what a crash left half-made is known as
/// such.
enum class Step { Making, Made, Removing };

/// A process that cannot be mistaken for another: its pid, its start time in clock ticks since boot (proc(5),
/// stat field 22), and the boot it belongs to (/proc/sys/kernel/random/boot_id).
struct ProcessId {
    int pid = 0;
    unsigned long long start = 0;
    std::string boot;
    bool operator==(const ProcessId&) const = default;
};

struct TapRecord {
    TapName name;
    BridgeName bridge;
    Step step = Step::Making;
    bool isolated = true; ///< from all other taps of its bridge
    bool operator==(const TapRecord&) const = default;
};

/// What the packet filter lets the VM's guest do.
struct NatRecord {
    Ipv4Address address; ///< the guest's: its tap passes no other
    bool on = false;     ///< it may reach beyond this host
    Step step = Step::Making;
    bool operator==(const NatRecord&) const = default;
};

/// A file that cannot be mistaken for another while it is held: stat(2)'s st_dev and st_ino.
struct FileId {
    uint64_t device = 0;
    uint64_t inode = 0;
    bool operator==(const FileId&) const = default;
};

/// The VM's device-mapper device; its name follows from owner and VM.
struct SnapshotRecord {
    FileId rootfs;
    FileId cow;
    Step step = Step::Making;
    uint64_t cow_size = 0; ///< bytes of it that the kernel was given
    bool operator==(const SnapshotRecord&) const = default;
};

enum class VmmState { Launching, Running, Exited };

struct VmmRecord {
    std::string kind; ///< "qemu", "firecracker" or "null"
    VmmState state = VmmState::Launching;
    ProcessId monitor;             ///< the jail's outer process, which waits for the VMM, or is it
    std::optional<ProcessId> main; ///< the VMM itself; known a moment later
    std::string unit;              ///< the systemd unit; empty without systemd
    bool operator==(const VmmRecord&) const = default;
};

/// All that the helper made for one VM.
struct VmRecord {
    uint32_t uid;
    VmId vm;
    std::optional<TapRecord> tap;
    std::optional<Step> jail;
    std::optional<VmmRecord> vmm;
    std::optional<NatRecord> nat{}; ///< only with a tap
    std::optional<SnapshotRecord> snapshot{};

    /// Nothing is left: the record may go.
    bool empty() const noexcept { return !tap && !jail && !vmm && !nat && !snapshot; }
    bool operator==(const VmRecord&) const = default;
};

/// Where systemd-resolved was told to send look-ups of NAME.vm.
struct ResolverRecord {
    Ipv4Address server;
    uint16_t port = 53;
    Step step = Step::Making;
    bool operator==(const ResolverRecord&) const = default;
};

struct BridgeRecord {
    uint32_t uid;
    BridgeName bridge;
    Ipv4Cidr address;
    Step step = Step::Making;
    std::optional<ResolverRecord> resolver{};
    bool operator==(const BridgeRecord&) const = default;
};

/// IP forwarding was off, and the helper switched it on for guests; there is one such record, or none.
struct ForwardingRecord {
    Step step = Step::Making;
    bool operator==(const ForwardingRecord&) const = default;
};

/// One JSON object each. Parsing is strict: every key known and of its type, every name checked, versions
/// equal; throws InvalidArgument otherwise.
std::string render(const VmRecord& record);
std::string render(const BridgeRecord& record);
std::string render(const ForwardingRecord& record);
VmRecord parse_vm_record(std::string_view text);
BridgeRecord parse_bridge_record(std::string_view text);
ForwardingRecord parse_forwarding_record(std::string_view text);

} // namespace banger::helper
