// The half of Ext4Writer that takes names away, and that writes the directories at the end.
#include "base/error.hpp"
#include "daemon/image/ext4_writer.hpp"

#include <cstring>
#include <vector>

namespace banger {

namespace {

constexpr uint32_t block_size = Ext4Volume::block_size;
constexpr uint32_t max_links = 65000;

uint8_t directory_type(FileKind kind) {
    switch (kind) {
    case FileKind::Regular:
        return EXT2_FT_REG_FILE;
    case FileKind::Directory:
        return EXT2_FT_DIR;
    case FileKind::Symlink:
        return EXT2_FT_SYMLINK;
    case FileKind::CharDevice:
        return EXT2_FT_CHRDEV;
    case FileKind::BlockDevice:
        return EXT2_FT_BLKDEV;
    case FileKind::Fifo:
        return EXT2_FT_FIFO;
    }
    return EXT2_FT_UNKNOWN;
}

/// One directory block as it fills up. The last 12 bytes are the checksum's (metadata_csum).
class EntryBlock {
public:
    EntryBlock(ext2_filsys fs, ext2_ino_t ino)
        : fs_(fs)
        , ino_(ino)
        , bytes_(block_size, 0) {}

    bool add(std::string_view name, ext2_ino_t ino, uint8_t type) {
        const auto length = static_cast<uint16_t>((sizeof(uint32_t) * 2 + name.size() + 3) & ~size_t{3});
        if (used_ + length > usable)
            return false;
        last_ = used_;
        ext2_dir_entry_2 head{};
        head.inode = ext2fs_cpu_to_le32(ino);
        head.rec_len = ext2fs_cpu_to_le16(length);
        head.name_len = static_cast<uint8_t>(name.size());
        head.file_type = type;
        std::memcpy(bytes_.data() + used_, &head, head_size);
        std::memcpy(bytes_.data() + used_ + head_size, name.data(), name.size());
        used_ += length;
        return true;
    }

    /// Closes the block and passes its bytes on; ready for the next.
    void put(ContentWriter& content, uint64_t& size) {
        const auto rest =
            ext2fs_cpu_to_le16(static_cast<uint16_t>(usable - last_)); // the last entry owns what is left
        std::memcpy(bytes_.data() + last_ + sizeof(uint32_t), &rest, sizeof rest);
        ::ext2fs_initialize_dirent_tail(fs_, EXT2_DIRENT_TAIL(bytes_.data(), block_size));
        check_ext2(::ext2fs_dir_block_csum_set(fs_, ino_, reinterpret_cast<ext2_dir_entry*>(bytes_.data())),
                   "sum up a directory");
        content.write(size, {bytes_.data(), bytes_.size()});
        size += block_size;
        bytes_.assign(block_size, 0);
        used_ = last_ = 0;
    }

private:
    static constexpr uint32_t head_size = 8;
    static constexpr uint32_t usable = block_size - sizeof(ext2_dir_entry_tail);

    ext2_filsys fs_;
    ext2_ino_t ino_;
    std::vector<char> bytes_;
    uint32_t used_ = 0;
    uint32_t last_ = 0; ///< where the last entry begins
};

} // namespace

/// Gives back the inodes of a node and of all below it. The names stay; the caller erases them.
void Ext4Writer::drop(ImageNode& node) {
    for (auto& [name, child] : node.children)
        drop(child);
    if (const auto names = further_names_.find(node.inode); names != further_names_.end()) {
        if (--names->second == 0)
            further_names_.erase(names);
        return;
    }
    volume_.free_inode(node.inode, node.kind == FileKind::Directory);
}

void Ext4Writer::erase(ImageNode& parent, std::string_view name) {
    const auto found = parent.children.find(name);
    if (found == parent.children.end() || (&parent == &root_ && name == "lost+found"))
        return;
    drop(found->second);
    parent.children.erase(found);
}

/// Removes what earlier layers put below `directory`; what this layer brought, and the way to it, stays.
void Ext4Writer::drop_older(ImageNode& directory) {
    for (auto at = directory.children.begin(); at != directory.children.end();) {
        auto& child = at->second;
        const bool is_lost_found = &directory == &root_ && at->first == "lost+found";
        if (child.kind == FileKind::Directory && !is_lost_found)
            drop_older(child);
        if (is_lost_found || child.layer == layer_ || !child.children.empty()) {
            ++at;
            continue;
        }
        drop(child);
        at = directory.children.erase(at);
    }
}

void Ext4Writer::remove(std::string_view path) {
    auto components = split_image_path(path);
    if (components.empty())
        throw Error(ErrorCode::InvalidArgument, "the archive wants to remove the image's root");
    const auto name = components.back();
    components.pop_back();
    auto* parent = find_directory(root_, components);
    const auto found = parent ? parent->children.find(name) : root_.children.end();
    if (!parent || found == parent->children.end())
        return;
    if (found->second.layer != layer_)
        erase(*parent, name);
    else if (found->second.kind ==
             FileKind::Directory) // put there anew by this layer: only what it held before goes
        drop_older(found->second);
}

void Ext4Writer::empty_directory(std::string_view path) {
    if (auto* directory = find_directory(root_, split_image_path(path)))
        drop_older(*directory);
}

void Ext4Writer::write_entries(ImageNode& directory, ContentWriter& content, uint64_t& size) {
    EntryBlock block(volume_.get(), directory.inode);
    const auto parent = directory.parent ? directory.parent->inode : directory.inode;
    block.add(".", directory.inode, EXT2_FT_DIR);
    block.add("..", parent, EXT2_FT_DIR);
    for (const auto& [name, child] : directory.children) {
        if (block.add(name, child.inode, directory_type(child.kind)))
            continue;
        block.put(content, size);
        block.add(name, child.inode, directory_type(child.kind));
    }
    block.put(content, size);
}

void Ext4Writer::write_directory(ImageNode& directory) {
    if (directory.inode == EXT2_ROOT_INO) { // it was born with a block, and gets new ones
        auto old = volume_.read_inode(directory.inode);
        volume_.free_blocks(directory.inode, old);
    }
    uint32_t links = 2;
    for (const auto& [name, child] : directory.children)
        links += child.kind == FileKind::Directory ? 1 : 0;
    auto inode = blank_inode(FileKind::Directory, *directory.attributes);
    inode.i_links_count = static_cast<__u16>(links >= max_links ? 1 : links); // 1: "many" (dir_nlink)
    volume_.write_inode(directory.inode, inode); // its number and generation go into the blocks' checksums
    ContentWriter content(volume_);
    uint64_t size = 0;
    write_entries(directory, content, size);
    content.finish(directory.inode, inode, size);
    write_xattrs(directory.inode, *directory.attributes);
    for (auto& [name, child] : directory.children)
        if (child.kind == FileKind::Directory && !(&directory == &root_ && name == "lost+found"))
            write_directory(child);
}

Ext4Writer::Written Ext4Writer::finish() {
    for (const auto& [ino, names] : further_names_) {
        auto inode = volume_.read_inode(ino);
        inode.i_links_count = static_cast<__u16>(names + 1);
        volume_.write_inode(ino, inode);
    }
    write_directory(root_);
    const Written written{volume_.used_inodes(), free_bytes_before_ - volume_.free_bytes()};
    volume_.close();
    return written;
}

} // namespace banger
