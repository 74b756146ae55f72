// The names in an image while it is written: kept in memory, so that later layers can replace and remove what
// earlier ones brought, and so that each directory is written once, whole, at the end.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace banger {

/// What an inode carries beside its content. Times are the modification time, used for all four.
struct Attributes {
    uint16_t mode = 0755; ///< permission bits with set-id and sticky: 07777
    uint32_t uid = 0;
    uint32_t gid = 0;
    int64_t mtime = 0; ///< seconds since 1970
    uint32_t mtime_nsec = 0;
    /// Full names ("security.capability", "user.note") and values.
    std::vector<std::pair<std::string, std::string>> xattrs;
};

enum class FileKind { Regular, Directory, Symlink, CharDevice, BlockDevice, Fifo };

/// One name. Directories own what they hold.
struct ImageNode {
    uint32_t inode = 0;
    FileKind kind = FileKind::Directory;
    uint16_t depth = 0; ///< the root has 0
    uint32_t layer = 0; ///< that brought it
    ImageNode* parent = nullptr;
    std::string target;                                     ///< of a symlink
    std::unique_ptr<Attributes> attributes;                 ///< of a directory: its inode is written last
    std::map<std::string, ImageNode, std::less<>> children; ///< of a directory
};

/// Splits an archive's path: "/", "./" and doubled slashes fall away. Throws InvalidArgument for "..", a NUL
/// byte, a name over 255 bytes or a path over 4096 bytes. The root is an empty list.
std::vector<std::string> split_image_path(std::string_view path);

/// Walks from `root` along `components`, following symlinks on the way (never the last name; always within
/// the image, as chroot would; at most 40). Missing directories are made by `make`. Returns the last
/// directory. Throws InvalidArgument when something on the way is no directory, or too deep (1024).
template <class MakeDirectory>
ImageNode& walk_image(ImageNode& root, std::vector<std::string> components, MakeDirectory make);

/// As above, but nothing is made: null where something is missing.
ImageNode* find_directory(ImageNode& root, const std::vector<std::string>& components);

// How walk_image steps; see image_tree.cpp.
class ImageWalk {
public:
    ImageWalk(ImageNode& root, std::vector<std::string> components);
    bool done() const noexcept { return pending_.empty(); }
    ImageNode& here() const noexcept { return *here_; }
    /// The next name, when it is not there; otherwise steps into it and returns nothing.
    const std::string* step();
    void enter(ImageNode& child);

private:
    void follow(const ImageNode& symlink);

    ImageNode* root_;
    ImageNode* here_;
    std::vector<std::string> pending_; ///< last first
    int hops_ = 0;
};

template <class MakeDirectory>
ImageNode& walk_image(ImageNode& root, std::vector<std::string> components, MakeDirectory make) {
    ImageWalk walk(root, std::move(components));
    while (!walk.done())
        if (const auto* missing = walk.step())
            walk.enter(make(walk.here(), *missing));
    return walk.here();
}

} // namespace banger
