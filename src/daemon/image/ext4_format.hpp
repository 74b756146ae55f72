// Makes empty ext4 filesystems: what mke2fs does, within this process, in a few milliseconds.
#pragma once

#include <ext2fs/ext2fs.h>

#include <cstdint>
#include <string>

namespace banger {

struct Ext4Options {
    bool journal = false;            ///< a read-only base needs none
    uint32_t bytes_per_inode = 8192; ///< the inode tables are holes until used, so plenty costs nothing
};

/// Makes an empty ext4 filesystem of `bytes` (rounded down to 4 KiB; at least 8 MiB, at most 16 TiB) in a new
/// sparse file. Throws AlreadyExists when there is a file, InvalidArgument for a size out of range.
void make_ext4(const std::string& path, uint64_t bytes, const Ext4Options& options);

/// The same, still open: for an Ext4Volume, which then owns it.
ext2_filsys begin_ext4(const std::string& path, uint64_t bytes, const Ext4Options& options);

} // namespace banger
