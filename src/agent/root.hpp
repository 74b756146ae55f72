// The guest's filesystems: the pseudo ones, the root, and the change into it.
#pragma once

#include "agent/cmdline.hpp"
#include "agent/devices.hpp"
#include "base/fd.hpp"

namespace banger::agent {

/// Mounts proc, sysfs and devtmpfs: what the boot itself needs.
void mount_basics();
/// Mounts what programs expect beyond that: devpts, /dev/shm, /run, cgroup2; makes /dev/fd and its kin.
void mount_rest();

/// Mounts the root below /newroot, waiting up to ten seconds for each device. Throws Error naming device and
/// step.
void assemble_root(const BootConfig& config, const DeviceEvents& events);

/// Moves the pseudo filesystems into /newroot, makes it this process's root, and empties the initramfs to
/// free its memory. The result is a descriptor of the old root, beneath which the disks stay mounted.
OwnedFd switch_root();

/// Makes the disks clean, as far as it goes: remounts them read-only. `old_root` may be empty.
void settle_disks(const OwnedFd& old_root, const BootConfig& config) noexcept;

} // namespace banger::agent
