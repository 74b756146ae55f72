#include "daemon/image/ext4_format.hpp"

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/size.hpp"
#include "daemon/image/ext4_volume.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

namespace banger {

namespace {

constexpr uint64_t smallest = 8 << 20;
constexpr uint64_t largest = 16ULL << 40;
constexpr uint32_t block_size = Ext4Volume::block_size;
constexpr uint32_t log_block_size = 2;      // 1024 << 2
constexpr uint32_t log_groups_per_flex = 4; // 16 groups keep their tables together
constexpr uint32_t small_journal = 1024;    // blocks; the least that ext4 takes
constexpr uint32_t journal = 4096;          // 16 MiB: throwaway disks have small transactions
constexpr uint64_t small_disk = 128 << 20;

/// The same as mke2fs's ext4, without what needs kernels after 4.x, and without the 2 MiB that are kept for
/// growing while mounted: disks grow at rest here, where resize2fs moves what is in the way.
void set_features(ext2_super_block& super) {
    super.s_feature_compat = EXT2_FEATURE_COMPAT_EXT_ATTR | EXT2_FEATURE_COMPAT_DIR_INDEX;
    super.s_feature_incompat = EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS |
                               EXT4_FEATURE_INCOMPAT_64BIT | EXT4_FEATURE_INCOMPAT_FLEX_BG;
    super.s_feature_ro_compat = EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE |
                                EXT4_FEATURE_RO_COMPAT_HUGE_FILE | EXT4_FEATURE_RO_COMPAT_DIR_NLINK |
                                EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE | EXT4_FEATURE_RO_COMPAT_METADATA_CSUM;
}

ext2_super_block parameters(uint64_t bytes, const Ext4Options& options) {
    ext2_super_block super{};
    const auto blocks = bytes / block_size;
    ::ext2fs_blocks_count_set(&super, blocks);
    super.s_rev_level = EXT2_DYNAMIC_REV;
    super.s_log_block_size = log_block_size;
    super.s_log_cluster_size = log_block_size;
    super.s_inode_size = 256;
    super.s_inodes_count =
        static_cast<uint32_t>(std::min<uint64_t>(bytes / options.bytes_per_inode, 0x7fffffff));
    super.s_desc_size = EXT2_MIN_DESC_SIZE_64BIT;
    super.s_log_groups_per_flex = log_groups_per_flex;
    set_features(super);
    return super;
}

void fill_random(unsigned char* target, size_t size) {
    if (::getrandom(target, size, 0) != static_cast<ssize_t>(size))
        throw_errno("get random bytes");
}

/// What ext2fs_initialize() leaves open in the superblock.
void finish_super(ext2_filsys fs) {
    auto& super = *fs->super;
    fill_random(super.s_uuid, sizeof super.s_uuid);
    super.s_uuid[6] = static_cast<unsigned char>((super.s_uuid[6] & 0x0f) | 0x40); // RFC 9562, version 4
    super.s_uuid[8] = static_cast<unsigned char>((super.s_uuid[8] & 0x3f) | 0x80);
    fill_random(reinterpret_cast<unsigned char*>(super.s_hash_seed), sizeof super.s_hash_seed);
    super.s_checksum_type = EXT2_CRC32C_CHKSUM;
    ::ext2fs_init_csum_seed(fs); // from the uuid
    super.s_def_hash_version = EXT2_HASH_HALF_MD4;
    super.s_flags |= static_cast<char>(-1) < 0 ? EXT2_FLAGS_SIGNED_HASH : EXT2_FLAGS_UNSIGNED_HASH;
    super.s_default_mount_opts = EXT2_DEFM_XATTR_USER | EXT2_DEFM_ACL;
    super.s_max_mnt_count = -1; // never asks for a check because of its age
    super.s_mkfs_time = super.s_lastcheck = super.s_wtime = static_cast<__u32>(std::time(nullptr));
    super.s_min_extra_isize = super.s_want_extra_isize = sizeof(ext2_inode_large) - EXT2_GOOD_OLD_INODE_SIZE;
}

/// The inodes that every ext4 has: bad blocks, root, the reserved ones, lost+found.
void make_first_inodes(ext2_filsys fs) {
    check_ext2(::ext2fs_mkdir(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, nullptr), "make the root directory");
    ::ext2fs_inode_alloc_stats2(fs, EXT2_BAD_INO, +1, 0);
    check_ext2(::ext2fs_update_bb_inode(fs, nullptr), "make the list of bad blocks");
    for (ext2_ino_t ino = EXT2_ROOT_INO + 1; ino < EXT2_FIRST_INODE(fs->super); ++ino)
        ::ext2fs_inode_alloc_stats2(fs, ino, +1, 0);
    ext2fs_mark_ib_dirty(fs);
    check_ext2(::ext2fs_mkdir(fs, EXT2_ROOT_INO, 0, "lost+found"), "make lost+found");
}

void format(ext2_filsys fs, uint64_t bytes, const Ext4Options& options) {
    finish_super(fs);
    check_ext2(::ext2fs_allocate_tables(fs), "lay out the filesystem");
    make_first_inodes(fs);
    if (options.journal) {
        ext2fs_journal_params size{};
        size.num_journal_blocks = bytes < small_disk ? small_journal : journal;
        check_ext2(::ext2fs_add_journal_inode3(fs, &size, ~0ULL, EXT2_MKJOURNAL_LAZYINIT),
                   "make the journal");
    }
    check_ext2(::ext2fs_set_gdt_csum(fs), "sum up the groups");
}

} // namespace

ext2_filsys begin_ext4(const std::string& path, uint64_t bytes, const Ext4Options& options) {
    if (bytes < smallest || bytes > largest)
        throw Error(ErrorCode::InvalidArgument, "an image of " + human_size(bytes) + " is out of range",
                    "from " + human_size(smallest) + " to " + human_size(largest));
    const auto file = open_file(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    bytes = bytes / block_size * block_size;
    ext2_filsys fs = nullptr;
    try {
        if (::ftruncate(file.get(), static_cast<off_t>(bytes)) < 0)
            throw_errno("make a file of " + human_size(bytes) + ": " + path);
        auto super = parameters(bytes, options);
        check_ext2(::ext2fs_initialize(path.c_str(), EXT2_FLAG_EXCLUSIVE | EXT2_FLAG_64BITS, &super,
                                       unix_io_manager, &fs),
                   "begin a filesystem in " + path);
        format(fs, bytes, options);
    } catch (...) {
        if (fs)
            ::ext2fs_free(fs);
        ::unlink(path.c_str());
        throw;
    }
    return fs;
}

void make_ext4(const std::string& path, uint64_t bytes, const Ext4Options& options) {
    auto* fs = begin_ext4(path, bytes, options);
    close_unsynced(fs);
}

} // namespace banger
