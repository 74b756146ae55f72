// What a VM uses of the host: its VMM's processor time and memory, its disk, its link. Read in the loop: a
// few small files of /proc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace banger::daemon {

struct ProcessUsage {
    uint64_t cpu_usec = 0;
    uint64_t memory_bytes = 0; ///< resident; with a cgroup of its own: all that is charged to it
    uint32_t processes = 0;
};
/// Of a process and all below it (banger-qemu's QEMU is its child), or, where systemd has put it into a unit
/// of its own, of that unit's cgroup. Nothing when the process is gone.
std::optional<ProcessUsage> usage_of(int pid);

/// The user's and the kernel's ticks in the text of /proc/PID/stat (proc(5)), those of reaped children
/// included. The name in it may hold anything.
std::optional<uint64_t> parse_ticks(std::string_view stat);
/// The cgroup of version 2 in the text of /proc/PID/cgroup, when it is that of a banger VM's unit: a path
/// below /sys/fs/cgroup. Else empty.
std::string parse_own_cgroup(std::string_view cgroup);

struct LinkUsage {
    uint64_t rx_bytes = 0;
    uint64_t rx_packets = 0;
    uint64_t tx_bytes = 0;
    uint64_t tx_packets = 0;
};
/// The counters of a link in the text of /proc/net/dev (proc(5)).
std::optional<LinkUsage> parse_link(std::string_view proc_net_dev, std::string_view link);
/// In this process's network namespace, as the host sees the link.
std::optional<LinkUsage> link_usage(std::string_view link);

/// What the files of a folder really take on the disk; 0 when there is no such folder.
uint64_t allocated_bytes(const std::string& folder);

} // namespace banger::daemon
