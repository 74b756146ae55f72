// Writes files into a fresh ext4 image without mounting it and without being root.
#pragma once

#include "daemon/image/ext4_format.hpp"
#include "daemon/image/ext4_volume.hpp"
#include "daemon/image/image_tree.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace banger {

/// Gives the next piece of a file's content: its place in the file and its bytes; false at the end. In
/// ascending order; gaps become holes.
using ContentSource = std::function<bool(uint64_t& offset, std::string_view& data)>;
/// A source of one piece; the bytes must outlive it.
ContentSource content_of(std::string_view bytes);

/// Paths are an archive's, relative to the image's root; see split_image_path(). Missing parents are made
/// (0755, root). What stands at a path is replaced, except that a directory over a directory only gets the
/// new attributes. Nothing is complete before finish(). All throw Error; after one the image is of no use.
class Ext4Writer {
public:
    /// Opens what make_ext4() made.
    explicit Ext4Writer(const std::string& path);
    /// Makes it first.
    Ext4Writer(const std::string& path, uint64_t bytes, const Ext4Options& options);

    void directory(std::string_view path, const Attributes& attributes);
    /// `size` bytes; content past it is an Error, a shorter one ends in a hole.
    void file(std::string_view path, const Attributes& attributes, uint64_t size,
              const ContentSource& source);
    void symlink(std::string_view path, std::string_view target, const Attributes& attributes);
    /// A second name for what `target` names; throws InvalidArgument when that is missing, or a directory.
    void hard_link(std::string_view path, std::string_view target);
    /// A character or block device, or a fifo (numbers 0).
    void device(std::string_view path, FileKind kind, uint32_t major, uint32_t minor,
                const Attributes& attributes);

    /// What comes from now on belongs to the next layer.
    void begin_layer() { ++layer_; }
    /// Removes what earlier layers put there, with all below (an OCI whiteout). Nothing there: nothing done.
    void remove(std::string_view path);
    /// Removes what earlier layers put into a directory (an OCI opaque whiteout).
    void empty_directory(std::string_view path);

    /// What was written: inodes, and bytes in blocks (the filesystem's own tables not counted).
    struct Written {
        uint64_t inodes = 0;
        uint64_t bytes = 0;
    };
    /// Writes the directories and all metadata.
    Written finish();

private:
    void adopt_first_inodes();
    ImageNode& parent_of(std::vector<std::string>& components);
    ImageNode& add_node(ImageNode& parent, const std::string& name, FileKind kind);
    ImageNode& place(std::string_view path, FileKind kind);
    ImageNode& make_missing(ImageNode& parent, const std::string& name);
    ext2_inode_large blank_inode(FileKind kind, const Attributes& attributes) const;
    void write_xattrs(ext2_ino_t ino, const Attributes& attributes);
    void erase(ImageNode& parent, std::string_view name);
    void drop(ImageNode& node);
    void drop_older(ImageNode& directory);
    void write_directory(ImageNode& directory);
    void write_entries(ImageNode& directory, ContentWriter& content, uint64_t& size);

    Ext4Volume volume_;
    uint64_t free_bytes_before_;
    ImageNode root_;
    uint32_t layer_ = 1;
    std::unordered_map<uint32_t, uint32_t> further_names_; ///< inode → hard links beyond the first
};

} // namespace banger
