// Block devices by descriptor: files behind loop devices, and nodes that are one owner's.
#pragma once

#include "base/fd.hpp"

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace banger::helper {

struct LoopDevice {
    OwnedFd held; ///< the kernel detaches the file when this and all other users have gone
    dev_t device = 0;
};

/// Puts the first `size` bytes of a file behind a free loop device. Whoever dies, nothing is left to remove:
/// LO_FLAGS_AUTOCLEAR (loop(4)). Unavailable where there are no loop devices.
LoopDevice attach_loop(int file, uint64_t size, bool read_only);

/// A node of that block device which this owner may open, and which has no name any more: a descriptor made
/// with O_PATH, for /proc/self/fd/N.
OwnedFd make_nameless_node(dev_t device, unsigned uid, unsigned gid);
/// The device itself, opened so that nobody else has it: Busy otherwise.
OwnedFd open_exclusively(int node, int flags);
/// Removes nodes whose makers died before they took the name away.
void remove_left_nodes();

} // namespace banger::helper
