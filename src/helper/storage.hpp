// The VM's disk: a device-mapper snapshot of a root filesystem that stays as it is, over a file that takes
// what is written.
#pragma once

#include "helper/disk_child.hpp"
#include "helper/done.hpp"
#include "helper/gate.hpp"
#include "helper/lanes.hpp"
#include "helper/mapper.hpp"
#include "helper/mending.hpp"
#include "helper/requests.hpp"
#include "helper/workers.hpp"

#include <string>
#include <string_view>

namespace banger::helper {

/// "banger-<uid>-<vm>".
std::string snapshot_name(uint32_t uid, const VmId& vm);

/// The first 16 bytes of a cow (dm-snap-persistent.c, struct disk_header): FailedPrecondition unless they are
/// zero, which the kernel takes for a new one, or those of an intact one of ours. Its chunks decide how much
/// memory the kernel needs for it.
void check_cow_header(std::string_view bytes);

struct DiskFile {
    FileId id;
    uint64_t size = 0;
};
/// As check_file(), and: of a filesystem that is on a disk or in memory and answers by itself; not opened to
/// append; of a size within the limits that is a multiple of 512. May block, where the filesystem is
/// someone's process.
DiskFile check_disk_file(int fd, unsigned uid, Access access, uint64_t most, const std::string& what);

/// e2fsck's exit status (e2fsck(8)): FailedPrecondition when errors are left, Internal when it did not run.
void judge_check(int status, const std::string& words);

/// For the loop's thread. `done` is called once, in the loop.
class Storage {
public:
    using Key = Grant<Action::Storage>;

    Storage(Ledger& ledger, Lanes& lanes, Workers& workers, Mapper& mapper, DiskChildren& children,
            Mending& mending);

    void perform(const Key& grant, CreateSnapshot request, const Done<std::string>& done);
    void perform(const Key& grant, const CheckSnapshot& request, const Done<Nothing>& done);
    void perform(const Key& grant, const RemoveSnapshot& request, const Done<Nothing>& done);

    /// Removes the snapshot of the record's VM, and the snapshot from the record. For whoever holds the VM's
    /// turn and a grant for it.
    void remove_snapshot(const VmRecord& record, const Done<Nothing>& done);
    /// What a crash left: half-made and half-removed snapshots, and devices of banger's that no record knows,
    /// each in its VM's turn; and processes that worked on disks, and their device nodes. Loop devices go
    /// with what uses them. For the start.
    void mend();

private:
    struct CreateSteps;
    SnapshotRecord want(uint32_t uid, const VmId& vm, const DiskFile& rootfs, const DiskFile& cow) const;
    void checked(const std::shared_ptr<CreateSteps>& steps);
    void made(const std::shared_ptr<CreateSteps>& steps, const Outcome<Nothing>& outcome);
    void check(const install::Owner& owner, const CheckSnapshot& request, const Turn& turn,
               const Done<Nothing>& done);
    void mend_unknown(const std::string& name);
    void write(uint32_t uid, const VmId& vm, const std::optional<SnapshotRecord>& snapshot);

    Ledger& ledger_;
    Lanes& lanes_;
    Workers& workers_;
    Mapper& mapper_;
    DiskChildren& children_;
    Mending& mending_;
};

} // namespace banger::helper
