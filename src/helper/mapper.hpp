// Device-mapper: the snapshot devices that banger made, and no others.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct dm_task;

namespace banger::helper {

/// Sectors of 512 bytes that are copied at once, and for which the kernel keeps one entry in its memory.
inline constexpr uint32_t snapshot_chunk = 32;

struct SnapshotTable {
    uint64_t sectors = 0;
    dev_t origin = 0; ///< never written to
    dev_t cow = 0;
};

/// The chunk of a snapshot's table as the kernel tells it, "7:0 7:1 P 32 …" (dm-snapshot.c, snapshot_status);
/// 0 for what is none.
uint32_t chunk_of_table(std::string_view words);

struct MappedDevice {
    dev_t device = 0;
    bool in_use = false; ///< somebody has it open
};

/// Devices are addressed by their uuid, "BANGER-" and the name, which nobody else gives: a device of the same
/// name that banger did not make is never touched. For any thread; libdevmapper itself is for one at a time.
class Mapper {
public:
    Mapper();

    /// Unavailable where the kernel has no device-mapper.
    void require() const;
    /// A persistent snapshot: the cow holds all that was written, also for the next device that is made of
    /// it. udev is told not to look into the device: what is in it is a guest's.
    void create(const std::string& name, const SnapshotTable& table);
    std::optional<MappedDevice> find(const std::string& name);
    /// FailedPrecondition when the cow has overflown, or could not be read.
    void check_valid(const std::string& name);
    /// FailedPrecondition, after removing the device, when the kernel does not use the chunks that it was
    /// asked for: what is in a cow counts for more, and its owner may write there until the kernel has read.
    void check_chunk(const std::string& name);
    /// Nothing there: nothing done. Busy when it is held open for longer than five seconds. Blocks.
    void remove(const std::string& name);
    /// Of all of banger's devices; none where there is no device-mapper.
    std::vector<std::string> names();

private:
    /// The words of its only target, of DM_DEVICE_STATUS or DM_DEVICE_TABLE. NotFound.
    std::string target_words(int type, const std::string& name);
    bool remove_once(const std::string& name);
    std::mutex mutex_;
};

} // namespace banger::helper
