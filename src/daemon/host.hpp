// What this host has: memory, disk space.
#pragma once

#include "base/accelerator.hpp"

#include <cstdint>
#include <string>

namespace banger::daemon {

/// All of the host's memory, in MiB.
uint64_t host_memory_mib();
/// What the kernel calls this boot (random(4)).
std::string current_boot_id();
/// Throws FailedPrecondition, with both numbers, when `memory_mib` is more than the host has.
void require_memory(uint64_t memory_mib, uint64_t host_mib);

/// Throws FailedPrecondition, with both numbers, when the filesystem of `folder` has less free space than a
/// new disk of `bytes` needs at once: disks are sparse, so that is 64 MiB, or all of it where it is smaller.
void require_space(const std::string& folder, uint64_t bytes);

} // namespace banger::daemon
