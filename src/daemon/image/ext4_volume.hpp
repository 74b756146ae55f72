// A fresh ext4 filesystem in a file, through libext2fs: inodes, runs of blocks, and nothing of names yet.
#pragma once

#include <ext2fs/ext2fs.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace banger {

/// Throws an Error for a libext2fs result other than 0: FailedPrecondition where space or inodes ran out.
void check_ext2(errcode_t result, std::string_view doing);

/// Writes all metadata, closes, and sets the pointer to null. Does not wait for the disk: who needs that
/// calls fsync(2), and a throwaway disk does not.
void close_unsynced(ext2_filsys& fs);

/// An opened filesystem that this process alone writes. Not thread-safe.
class Ext4Volume {
public:
    static constexpr uint32_t block_size = 4096;

    /// Opens what make_ext4() made.
    explicit Ext4Volume(const std::string& path);
    /// Takes over what begin_ext4() gave.
    explicit Ext4Volume(ext2_filsys begun) noexcept
        : fs_(begun)
        , goal_(begun->super->s_first_data_block) {}
    Ext4Volume(const Ext4Volume&) = delete;
    ~Ext4Volume();

    ext2_filsys get() const noexcept { return fs_; }
    uint64_t free_bytes() const;
    uint64_t used_inodes() const;

    ext2_ino_t new_inode(bool directory);
    void write_inode(ext2_ino_t ino, ext2_inode_large& inode);
    ext2_inode_large read_inode(ext2_ino_t ino);
    /// Gives back an inode that nothing names any more, and its blocks.
    void free_inode(ext2_ino_t ino, bool directory);
    /// Gives back an inode's blocks and keeps the inode.
    void free_blocks(ext2_ino_t ino, ext2_inode_large& inode);

    struct Run {
        uint64_t start = 0; ///< in blocks
        uint32_t count = 0;
    };
    /// Up to `wanted` blocks in a row, marked as used; at least one.
    Run allocate(uint32_t wanted);
    void write_blocks(const Run& run, const char* data);

    /// As close_unsynced(). Throws Error; the destructor closes without writing anything more.
    void close();

private:
    ext2_filsys fs_ = nullptr;
    uint64_t goal_ = 0;
    ext2_ino_t last_inode_ = EXT2_ROOT_INO;
};

/// The content of one inode as it is written: collects whole blocks, asks for runs, and ends as the inode's
/// extents. Pieces come in ascending order; what lies between them is a hole.
class ContentWriter {
public:
    explicit ContentWriter(Ext4Volume& volume);

    /// Throws InvalidArgument when the piece lies before the end of the last one.
    void write(uint64_t offset, std::string_view data);
    /// Stores size, block count and extents in `inode` and writes it as `ino`.
    void finish(ext2_ino_t ino, ext2_inode_large& inode, uint64_t size);

private:
    struct Extent {
        uint64_t logical;
        uint64_t physical;
        uint32_t count;
    };
    void flush();
    void remember(uint64_t logical, const Ext4Volume::Run& run);
    void store_inside(ext2_inode_large& inode) const;
    void store_as_tree(ext2_ino_t ino, ext2_inode_large& inode) const;

    Ext4Volume& volume_;
    std::vector<char> buffer_; ///< from buffer_start_ on, a whole number of blocks
    uint64_t buffer_start_ = 0;
    uint64_t end_ = 0; ///< of the last piece
    std::vector<Extent> extents_;
};

} // namespace banger
