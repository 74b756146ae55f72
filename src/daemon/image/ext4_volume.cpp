#include "daemon/image/ext4_volume.hpp"

#include "base/error.hpp"

#include <et/com_err.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

namespace banger {

namespace {

/// libext2fs calls what ran out by these names.
bool is_out_of_space(errcode_t result) {
    return result == EXT2_ET_BLOCK_ALLOC_FAIL || result == EXT2_ET_INODE_ALLOC_FAIL ||
           result == EXT2_ET_DIR_NO_SPACE;
}

} // namespace

void check_ext2(errcode_t result, std::string_view doing) {
    if (result == 0)
        return;
    // A write that runs into a full disk first comes out short.
    if (result == ENOSPC || result == EDQUOT || result == EXT2_ET_SHORT_WRITE)
        throw Error(ErrorCode::FailedPrecondition, "the disk is full: cannot " + std::string(doing),
                    "free some space, then try again");
    if (is_out_of_space(result))
        throw Error(ErrorCode::FailedPrecondition, "the content does not fit into the image's filesystem",
                    "ask for a larger image size");
    static std::once_flag once;
    std::call_once(once, initialize_ext2_error_table);
    throw Error(ErrorCode::Internal, "cannot " + std::string(doing) + ": " + ::error_message(result));
}

void close_unsynced(ext2_filsys& fs) {
    check_ext2(::ext2fs_flush2(fs, EXT2_FLAG_FLUSH_NO_SYNC), "write the filesystem's metadata");
    const auto result = io_channel_close(fs->io); // which writes what is still in its cache
    fs->io = fs->image_io =
        nullptr; // one and the same; ext2fs_free() would close it again, and keep quiet about errors
    ::ext2fs_free(fs);
    fs = nullptr;
    check_ext2(result, "write the filesystem's metadata");
}

Ext4Volume::Ext4Volume(const std::string& path) {
    check_ext2(::ext2fs_open2(path.c_str(), nullptr, EXT2_FLAG_RW | EXT2_FLAG_64BITS | EXT2_FLAG_EXCLUSIVE, 0,
                              0, unix_io_manager, &fs_),
               "open the filesystem in " + path);
    if (fs_->blocksize != block_size) {
        ::ext2fs_free(fs_);
        throw Error(ErrorCode::Internal, path + " has an unexpected block size");
    }
    if (const auto result = ::ext2fs_read_bitmaps(fs_)) {
        ::ext2fs_free(fs_);
        check_ext2(result, "read the filesystem in " + path);
    }
    goal_ = fs_->super->s_first_data_block;
}

Ext4Volume::~Ext4Volume() {
    if (fs_)
        ::ext2fs_free(fs_);
}

uint64_t Ext4Volume::free_bytes() const {
    return ::ext2fs_free_blocks_count(fs_->super) * block_size;
}

uint64_t Ext4Volume::used_inodes() const {
    return fs_->super->s_inodes_count - fs_->super->s_free_inodes_count;
}

ext2_ino_t Ext4Volume::new_inode(bool directory) {
    ext2_ino_t ino = 0;
    const int mode = directory ? LINUX_S_IFDIR : LINUX_S_IFREG;
    // Beginning in the group of the last one: the inodes of what is unpacked together lie together.
    check_ext2(::ext2fs_new_inode(fs_, last_inode_, mode, nullptr, &ino), "find a free inode");
    ::ext2fs_inode_alloc_stats2(fs_, ino, +1, directory ? 1 : 0);
    last_inode_ = ino;
    return ino;
}

void Ext4Volume::write_inode(ext2_ino_t ino, ext2_inode_large& inode) {
    check_ext2(::ext2fs_write_inode_full(fs_, ino, reinterpret_cast<ext2_inode*>(&inode), sizeof inode),
               "write an inode");
}

ext2_inode_large Ext4Volume::read_inode(ext2_ino_t ino) {
    ext2_inode_large inode{};
    check_ext2(::ext2fs_read_inode_full(fs_, ino, reinterpret_cast<ext2_inode*>(&inode), sizeof inode),
               "read an inode");
    return inode;
}

void Ext4Volume::free_blocks(ext2_ino_t ino, ext2_inode_large& inode) {
    auto* plain = reinterpret_cast<ext2_inode*>(&inode);
    if (::ext2fs_inode_has_valid_blocks2(fs_, plain))
        check_ext2(::ext2fs_punch(fs_, ino, plain, nullptr, 0, ~0ULL), "free a file's blocks");
}

void Ext4Volume::free_inode(ext2_ino_t ino, bool directory) {
    auto inode = read_inode(ino);
    free_blocks(ino, inode);
    if (ext2fs_file_acl_block(fs_, reinterpret_cast<ext2_inode*>(&inode)))
        check_ext2(::ext2fs_free_ext_attr(fs_, ino, &inode), "free a file's attributes");
    ext2_inode_large nothing{};
    nothing.i_dtime = fs_->super->s_mkfs_time;
    nothing.i_extra_isize = sizeof nothing - EXT2_GOOD_OLD_INODE_SIZE;
    write_inode(ino, nothing);
    ::ext2fs_inode_alloc_stats2(fs_, ino, -1, directory ? 1 : 0);
}

Ext4Volume::Run Ext4Volume::allocate(uint32_t wanted) {
    blk64_t start = 0;
    blk64_t count = 0;
    check_ext2(::ext2fs_new_range(fs_, 0, goal_, std::min<uint64_t>(wanted, EXT_INIT_MAX_LEN), fs_->block_map,
                                  &start, &count),
               "find free blocks");
    ::ext2fs_block_alloc_stats_range(fs_, start, static_cast<blk_t>(count), +1);
    goal_ = start + count;
    if (goal_ >= ::ext2fs_blocks_count(fs_->super))
        goal_ = fs_->super->s_first_data_block;
    return {start, static_cast<uint32_t>(count)};
}

void Ext4Volume::write_blocks(const Run& run, const char* data) {
    check_ext2(::io_channel_write_blk64(fs_->io, run.start, static_cast<int>(run.count), data),
               "write to the image");
}

void Ext4Volume::close() {
    // The file was born empty, so the inode tables are zeros already: tell the guest's kernel not to write
    // them again.
    for (dgrp_t group = 0; group < fs_->group_desc_count; ++group) {
        ::ext2fs_bg_flags_set(fs_, group, EXT2_BG_INODE_ZEROED);
        ::ext2fs_group_desc_csum_set(fs_, group);
    }
    ext2fs_mark_super_dirty(fs_);
    close_unsynced(fs_);
}

} // namespace banger
