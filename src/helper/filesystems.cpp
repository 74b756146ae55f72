#include "helper/filesystems.hpp"

#include "base/error.hpp"
#include "base/file.hpp"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <sstream>

namespace banger::helper {

namespace {

constexpr size_t most_mounts = 4 << 20; ///< bytes of mountinfo

template <size_t N>
bool is_among(unsigned long kind, const std::array<unsigned long, N>& kinds) {
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

/// Not one of them is mounted by others than root, but for tmpfs, which nothing is below. They need not be in
/// the list of mounts: files of btrfs have their subvolume's number.
bool is_plain(unsigned long kind) {
    constexpr std::array<unsigned long, 8> kinds{EXT4_SUPER_MAGIC,       EXT2_SUPER_MAGIC, XFS_SUPER_MAGIC,
                                                 BTRFS_SUPER_MAGIC,      F2FS_SUPER_MAGIC, TMPFS_MAGIC,
                                                 0x2fc12fc1UL /* ZFS */, 0xca451a4eUL /* bcachefs */};
    return is_among(kind, kinds);
}

bool is_of_the_kernel(unsigned long kind) {
    constexpr std::array<unsigned long, 8> kinds{PROC_SUPER_MAGIC,    SYSFS_MAGIC,   CGROUP_SUPER_MAGIC,
                                                 CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC,
                                                 SECURITYFS_MAGIC,    BPF_FS_MAGIC};
    return is_among(kind, kinds);
}

/// The type of the file's filesystem as it is mounted here. A filesystem has the same number in every mount
/// namespace. Where its layers are of several filesystems an overlay's files may have numbers of their own
/// (overlayfs.rst, "Inode properties"), and are taken for somebody else's.
std::string type_here(int fd, const std::string& what) {
    struct stat status{};
    if (::fstat(fd, &status) < 0)
        throw_errno("stat " + what);
    return type_of_mount(status.st_dev, read_file("/proc/self/mountinfo", most_mounts));
}

/// "fuse", "fuse.NAME", "fuseblk": some process serves it. virtiofs, of the same magic number, is not called
/// so, and is root's to mount.
bool answers(const std::string& type) {
    return !type.empty() && !type.starts_with("fuse");
}

unsigned long kind_of(int fd, const std::string& what) {
    struct statfs status{};
    if (::fstatfs(fd, &status) < 0)
        throw_errno("ask for the filesystem of " + what);
    return static_cast<unsigned long>(status.f_type);
}

} // namespace

std::string type_of_mount(dev_t filesystem, std::string_view mountinfo) {
    const auto wanted = std::to_string(major(filesystem)) + ":" + std::to_string(minor(filesystem));
    std::istringstream lines{std::string(mountinfo)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string id, parent, device, field;
        if (!(fields >> id >> parent >> device) || device != wanted)
            continue;
        // A mount point called "-" comes before field 7, from which on the optional ones are.
        for (int number = 4; fields >> field; ++number)
            if (number >= 7 && field == "-" && fields >> field)
                return field;
    }
    return {};
}

void check_answers(int fd, const std::string& what) {
    const auto kind = kind_of(fd, what);
    if (is_plain(kind))
        return;
    if (is_of_the_kernel(kind))
        throw Error(ErrorCode::FailedPrecondition,
                    "the descriptor of " + what + " is of no disk's filesystem",
                    "pass a regular file of your own, opened as it is to be used");
    if (!answers(type_here(fd, what)))
        throw Error(ErrorCode::FailedPrecondition,
                    what + " is on a filesystem that a process of yours may serve",
                    "put it on a disk, or on what root has mounted: no FUSE, and no mount of a namespace");
}

void check_holds_disks(int fd, const std::string& what) {
    check_answers(fd, what);
    const auto kind = kind_of(fd, what);
    if (is_plain(kind) || kind == OVERLAYFS_SUPER_MAGIC)
        return;
    throw Error(ErrorCode::FailedPrecondition, what + " is on a filesystem that cannot hold disks",
                "put it on ext4, xfs, btrfs, f2fs or tmpfs");
}

} // namespace banger::helper
