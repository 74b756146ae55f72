// Block devices by descriptor: files behind loop devices, and nodes of the helper's own.
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

/// A node of a block device, which is root's alone until it is given away. The kernel gives a device's number
/// again once the device is gone, and whoever holds a node (a descriptor made with O_PATH is enough) would
/// open the next one: so it is taken back when this goes. Its name stays until then: by it, the helper after
/// one that was killed takes it back.
class DeviceNode {
public:
    explicit DeviceNode(dev_t device);
    DeviceNode(const DeviceNode&) = delete;
    DeviceNode& operator=(const DeviceNode&) = delete;
    ~DeviceNode();

    /// Made with O_PATH; who has it opens the device as /proc/self/fd/N.
    int get() const noexcept { return node_.get(); }
    /// To this uid and gid, which may then read and write the device.
    void give(unsigned id) const;
    /// The device itself, opened so that nobody else has it: Busy otherwise.
    OwnedFd open_exclusively(int flags) const;

private:
    std::string path_;
    OwnedFd node_;
};

/// Takes back, and removes, the nodes of helpers that were killed.
void take_back_left_nodes();

} // namespace banger::helper
