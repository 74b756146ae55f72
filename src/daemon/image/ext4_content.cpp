#include "base/error.hpp"
#include "daemon/image/ext4_volume.hpp"

#include <ext2fs/ext3_extents.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace banger {

namespace {

constexpr uint64_t block_size = Ext4Volume::block_size;
constexpr size_t buffer_limit = 1 << 20;
constexpr size_t extents_inside = 4; ///< that fit into the inode: 60 bytes, a header of 12, extents of 12

} // namespace

ContentWriter::ContentWriter(Ext4Volume& volume)
    : volume_(volume) {}

void ContentWriter::write(uint64_t offset, std::string_view data) {
    if (data.empty())
        return;
    if (offset < end_)
        throw Error(ErrorCode::InvalidArgument, "a file's pieces overlap, or are out of order");
    while (!data.empty()) {
        const auto buffer_end = buffer_start_ + buffer_.size();
        // Never while a later piece may still belong to the buffer's last block: it would be allocated twice.
        if (!buffer_.empty() && offset >= buffer_end &&
            (buffer_.size() >= buffer_limit || offset >= buffer_end + block_size))
            flush();
        if (buffer_.empty())
            buffer_start_ = offset / block_size * block_size;
        const auto at = offset - buffer_start_;
        const auto take = std::min<uint64_t>(data.size(), buffer_limit - at);
        const auto needed = (at + take + block_size - 1) / block_size * block_size;
        if (buffer_.size() < needed)
            buffer_.resize(needed, 0);
        std::memcpy(buffer_.data() + at, data.data(), take);
        data.remove_prefix(take);
        offset += take;
    }
    end_ = offset;
}

void ContentWriter::flush() {
    const char* data = buffer_.data();
    auto logical = buffer_start_ / block_size;
    auto left = static_cast<uint32_t>(buffer_.size() / block_size);
    while (left > 0) {
        const auto run = volume_.allocate(left);
        volume_.write_blocks(run, data);
        remember(logical, run);
        data += run.count * block_size;
        logical += run.count;
        left -= run.count;
    }
    buffer_.clear();
}

void ContentWriter::remember(uint64_t logical, const Ext4Volume::Run& run) {
    if (!extents_.empty()) {
        auto& last = extents_.back();
        if (last.logical + last.count == logical && last.physical + last.count == run.start &&
            last.count + run.count <= EXT_INIT_MAX_LEN) {
            last.count += run.count;
            return;
        }
    }
    extents_.push_back({logical, run.start, run.count});
}

void ContentWriter::finish(ext2_ino_t ino, ext2_inode_large& inode, uint64_t size) {
    flush();
    auto* plain = reinterpret_cast<ext2_inode*>(&inode);
    uint64_t blocks = 0;
    for (const auto& extent : extents_)
        blocks += extent.count;
    inode.i_flags |= EXT4_EXTENTS_FL;
    check_ext2(::ext2fs_iblk_add_blocks(volume_.get(), plain, blocks), "count a file's blocks");
    check_ext2(::ext2fs_inode_size_set(volume_.get(), plain, static_cast<ext2_off64_t>(size)),
               "set a file's size");
    std::memset(inode.i_block, 0, sizeof inode.i_block);
    if (extents_.size() <= extents_inside)
        store_inside(inode);
    volume_.write_inode(ino, inode);
    if (extents_.size() > extents_inside)
        store_as_tree(ino, inode);
}

void ContentWriter::store_inside(ext2_inode_large& inode) const {
    ext3_extent_header header{};
    header.eh_magic = ext2fs_cpu_to_le16(EXT3_EXT_MAGIC);
    header.eh_entries = ext2fs_cpu_to_le16(static_cast<__u16>(extents_.size()));
    header.eh_max = ext2fs_cpu_to_le16(extents_inside);
    auto* at = reinterpret_cast<char*>(inode.i_block);
    std::memcpy(at, &header, sizeof header);
    for (const auto& extent : extents_) {
        at += sizeof header;
        ext3_extent stored{};
        stored.ee_block = ext2fs_cpu_to_le32(static_cast<__u32>(extent.logical));
        stored.ee_len = ext2fs_cpu_to_le16(static_cast<__u16>(extent.count));
        stored.ee_start = ext2fs_cpu_to_le32(static_cast<__u32>(extent.physical));
        stored.ee_start_hi = ext2fs_cpu_to_le16(static_cast<__u16>(extent.physical >> 32));
        std::memcpy(at, &stored, sizeof stored);
    }
}

void ContentWriter::store_as_tree(ext2_ino_t ino, ext2_inode_large& inode) const {
    ext2_extent_handle_t raw = nullptr;
    check_ext2(::ext2fs_extent_open2(volume_.get(), ino, reinterpret_cast<ext2_inode*>(&inode), &raw),
               "begin a file's extents");
    const std::unique_ptr<ext2_extent_handle, void (*)(ext2_extent_handle_t)> handle(raw,
                                                                                     ::ext2fs_extent_free);
    for (const auto& extent : extents_) {
        ext2fs_extent stored{};
        stored.e_lblk = extent.logical;
        stored.e_pblk = extent.physical;
        stored.e_len = extent.count;
        check_ext2(::ext2fs_extent_insert(raw, EXT2_EXTENT_INSERT_AFTER, &stored), "store a file's extents");
        check_ext2(::ext2fs_extent_fix_parents(raw), "store a file's extents");
    }
}

} // namespace banger
