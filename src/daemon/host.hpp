// What this host has: memory, disk space, accelerators.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace banger::daemon {

/// All of the host's memory, in MiB.
uint64_t host_memory_mib();
/// Throws FailedPrecondition, with both numbers, when `memory_mib` is more than the host has.
void require_memory(uint64_t memory_mib, uint64_t host_mib);

/// Throws FailedPrecondition, with both numbers, when the filesystem of `folder` has less free space than a
/// new disk of `bytes` needs at once: disks are sparse, so that is 64 MiB, or all of it where it is smaller.
void require_space(const std::string& folder, uint64_t bytes);

/// "kvm" when guests can be run with it: /dev/kvm opens, and on x86 the CPU says vmx or svm (without, stock
/// kernels hang in a nested KVM). Else "tcg".
std::string accelerator();
/// The second half of that: `cpuinfo` is the text of /proc/cpuinfo.
bool has_virtualization(std::string_view cpuinfo);

/// How the guest's agent is reached: "serial", whatever the host has. banger-qemu, which makes the guest's devices, gives
/// it virtio-serial ports also where there is a /dev/vhost-vsock.
std::string guest_transport();

} // namespace banger::daemon
