#include "daemon/image/ext4_writer.hpp"

#include "base/error.hpp"

#include <ext2fs/ext2_ext_attr.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace banger {

namespace {

constexpr uint32_t max_links = 65000; // EXT4_LINK_MAX
constexpr size_t fast_symlink = 60;   // bytes in i_block; ext4 stores shorter targets there
constexpr size_t max_target = Ext4Volume::block_size - 1;
constexpr uint16_t max_depth = 1024;

uint16_t format_bits(FileKind kind) {
    switch (kind) {
    case FileKind::Regular:
        return LINUX_S_IFREG;
    case FileKind::Directory:
        return LINUX_S_IFDIR;
    case FileKind::Symlink:
        return LINUX_S_IFLNK;
    case FileKind::CharDevice:
        return LINUX_S_IFCHR;
    case FileKind::BlockDevice:
        return LINUX_S_IFBLK;
    case FileKind::Fifo:
        return LINUX_S_IFIFO;
    }
    return 0;
}

/// ext4 counts from 1901 to 2446 in 34 bits: 32 signed ones, and two more at the bottom of the "extra" field,
/// whose other 30 are nanoseconds. Times outside are brought to the nearest end.
struct Timestamp {
    uint32_t seconds;
    uint32_t extra;

    explicit Timestamp(const Attributes& attributes) {
        constexpr int64_t first = -(INT64_C(1) << 31);
        constexpr int64_t last = (INT64_C(1) << 34) - (INT64_C(1) << 31) - 1;
        const auto time = std::clamp(attributes.mtime, first, last);
        seconds = static_cast<uint32_t>(time);
        const auto epoch = static_cast<uint32_t>((time - static_cast<int32_t>(seconds)) >> 32) & 3;
        extra = (std::min(attributes.mtime_nsec, 999'999'999U) << 2) | epoch;
    }
};

bool is_kept_xattr(std::string_view name) {
    return name.starts_with("security.") || name.starts_with("user.") || name.starts_with("trusted.") ||
           name == "system.posix_acl_access" || name == "system.posix_acl_default";
}

} // namespace

ContentSource content_of(std::string_view bytes) {
    return [bytes, given = false](uint64_t& offset, std::string_view& data) mutable {
        offset = 0;
        data = bytes;
        return !std::exchange(given, true);
    };
}

Ext4Writer::Ext4Writer(const std::string& path)
    : volume_(path)
    , free_bytes_before_(volume_.free_bytes()) {
    adopt_first_inodes();
}

Ext4Writer::Ext4Writer(const std::string& path, uint64_t bytes, const Ext4Options& options)
    : volume_(begin_ext4(path, bytes, options))
    , free_bytes_before_(volume_.free_bytes()) {
    adopt_first_inodes();
}

void Ext4Writer::adopt_first_inodes() {
    root_.inode = EXT2_ROOT_INO;
    root_.attributes = std::make_unique<Attributes>();
    // It was made with the filesystem, and e2fsck wants it there.
    ext2_ino_t lost = 0;
    if (::ext2fs_namei(volume_.get(), EXT2_ROOT_INO, EXT2_ROOT_INO, "lost+found", &lost) == 0) {
        auto& node = root_.children["lost+found"];
        node.inode = lost;
        node.depth = 1;
        node.layer = layer_;
        node.parent = &root_;
        node.attributes = std::make_unique<Attributes>();
        node.attributes->mode = 0700;
    }
}

ImageNode& Ext4Writer::add_node(ImageNode& parent, const std::string& name, FileKind kind) {
    if (parent.depth >= max_depth)
        throw Error(ErrorCode::InvalidArgument, "the archive's folders are nested too deeply");
    const auto ino = volume_.new_inode(kind == FileKind::Directory);
    auto& node = parent.children[name];
    node.inode = ino;
    node.kind = kind;
    node.depth = static_cast<uint16_t>(parent.depth + 1);
    node.layer = layer_;
    node.parent = &parent;
    if (kind == FileKind::Directory)
        node.attributes = std::make_unique<Attributes>();
    return node;
}

ImageNode& Ext4Writer::make_missing(ImageNode& parent, const std::string& name) {
    return add_node(parent, name, FileKind::Directory);
}

/// The directory that holds the last of `components`, which is taken off and must be there.
ImageNode& Ext4Writer::parent_of(std::vector<std::string>& components) {
    components.pop_back();
    return walk_image(root_, components, [this](ImageNode& parent, const std::string& name) -> ImageNode& {
        return make_missing(parent, name);
    });
}

/// Makes a new node at `path`, in place of what was there.
ImageNode& Ext4Writer::place(std::string_view path, FileKind kind) {
    auto components = split_image_path(path);
    if (components.empty())
        throw Error(ErrorCode::InvalidArgument,
                    "the archive wants the image's root to be something else than a directory");
    const auto name = components.back();
    auto& parent = parent_of(components);
    if (&parent == &root_ && name == "lost+found")
        throw Error(ErrorCode::InvalidArgument,
                    "the archive wants lost+found to be something else than a directory");
    erase(parent, name);
    return add_node(parent, name, kind);
}

ext2_inode_large Ext4Writer::blank_inode(FileKind kind, const Attributes& attributes) const {
    const Timestamp time(attributes);
    ext2_inode_large inode{};
    inode.i_mode = static_cast<__u16>(format_bits(kind) | (attributes.mode & 07777));
    inode.i_links_count = 1;
    inode.i_uid = static_cast<__u16>(attributes.uid);
    inode.i_gid = static_cast<__u16>(attributes.gid);
    inode.osd2.linux2.l_i_uid_high = static_cast<__u16>(attributes.uid >> 16);
    inode.osd2.linux2.l_i_gid_high = static_cast<__u16>(attributes.gid >> 16);
    inode.i_mtime = inode.i_atime = inode.i_ctime = inode.i_crtime = time.seconds;
    inode.i_mtime_extra = inode.i_atime_extra = inode.i_ctime_extra = inode.i_crtime_extra = time.extra;
    inode.i_extra_isize = sizeof inode - EXT2_GOOD_OLD_INODE_SIZE;
    return inode;
}

void Ext4Writer::write_xattrs(ext2_ino_t ino, const Attributes& attributes) {
    if (attributes.xattrs.empty())
        return;
    ext2_xattr_handle* raw = nullptr;
    check_ext2(::ext2fs_xattrs_open(volume_.get(), ino, &raw), "begin extended attributes");
    const auto close = [](ext2_xattr_handle* handle) { ::ext2fs_xattrs_close(&handle); };
    const std::unique_ptr<ext2_xattr_handle, decltype(close)> handle(raw, close);
    for (const auto& [name, value] : attributes.xattrs) {
        if (!is_kept_xattr(name))
            continue;
        const auto result = ::ext2fs_xattr_set(raw, name.c_str(), value.data(), value.size());
        if (result == EXT2_ET_EA_NO_SPACE)
            throw Error(ErrorCode::Unsupported,
                        "the extended attributes of a file are larger than ext4 can hold");
        check_ext2(result, "store the extended attribute " + name);
    }
}

void Ext4Writer::directory(std::string_view path, const Attributes& attributes) {
    const auto components = split_image_path(path);
    if (components.empty()) {
        *root_.attributes = attributes;
        return;
    }
    auto to_parent = components;
    auto& parent = parent_of(to_parent);
    auto found = parent.children.find(components.back());
    if (found != parent.children.end() && found->second.kind == FileKind::Directory) {
        *found->second.attributes = attributes;
        found->second.layer = layer_;
        return;
    }
    erase(parent, components.back());
    *add_node(parent, components.back(), FileKind::Directory).attributes = attributes;
}

void Ext4Writer::file(std::string_view path, const Attributes& attributes, uint64_t size,
                      const ContentSource& source) {
    const auto& node = place(path, FileKind::Regular);
    auto inode = blank_inode(FileKind::Regular, attributes);
    ContentWriter content(volume_);
    uint64_t offset = 0;
    std::string_view data;
    while (source(offset, data)) {
        if (data.size() > size || offset > size - data.size())
            throw Error(ErrorCode::InvalidArgument, "a file in the archive is larger than it says");
        content.write(offset, data);
    }
    content.finish(node.inode, inode, size);
    write_xattrs(node.inode, attributes);
}

void Ext4Writer::symlink(std::string_view path, std::string_view target, const Attributes& attributes) {
    if (target.empty() || target.size() > max_target || target.find('\0') != target.npos)
        throw Error(ErrorCode::InvalidArgument, "a symbolic link in the archive has no usable target");
    auto& node = place(path, FileKind::Symlink);
    node.target = target;
    auto inode = blank_inode(FileKind::Symlink, attributes);
    inode.i_mode = LINUX_S_IFLNK | 0777;
    if (target.size() < fast_symlink) {
        std::memcpy(inode.i_block, target.data(), target.size());
        inode.i_size = static_cast<__u32>(target.size());
        volume_.write_inode(node.inode, inode);
    } else {
        ContentWriter content(volume_);
        content.write(0, target);
        content.finish(node.inode, inode, target.size());
    }
    write_xattrs(node.inode, attributes);
}

void Ext4Writer::hard_link(std::string_view path, std::string_view target) {
    auto from = split_image_path(target);
    const auto name = from.empty() ? std::string() : from.back();
    if (!from.empty())
        from.pop_back();
    const auto* folder = name.empty() ? nullptr : find_directory(root_, from);
    const auto found = folder ? folder->children.find(name) : root_.children.end();
    if (!folder || found == folder->children.end() || found->second.kind == FileKind::Directory)
        throw Error(ErrorCode::InvalidArgument,
                    "a hard link in the archive names nothing that can be linked");
    const auto inode_number = found->second.inode;
    const auto kind = found->second.kind;
    const auto symlink_target = found->second.target;
    auto components = split_image_path(path);
    if (components.empty())
        throw Error(ErrorCode::InvalidArgument, "the archive wants the image's root to be a hard link");
    const auto new_name = components.back();
    auto& parent = parent_of(components);
    const auto there = parent.children.find(new_name);
    if (there != parent.children.end() && there->second.inode == inode_number)
        return;
    auto& names = further_names_[inode_number];
    if (names + 1 >= max_links)
        throw Error(ErrorCode::InvalidArgument, "a file in the archive has too many hard links");
    ++names;
    if (&parent == &root_ && new_name == "lost+found")
        throw Error(ErrorCode::InvalidArgument,
                    "the archive wants lost+found to be something else than a directory");
    erase(parent, new_name);
    auto& node = parent.children[new_name];
    node.inode = inode_number;
    node.kind = kind;
    node.depth = static_cast<uint16_t>(parent.depth + 1);
    node.layer = layer_;
    node.parent = &parent;
    node.target = symlink_target;
}

void Ext4Writer::device(std::string_view path, FileKind kind, uint32_t major, uint32_t minor,
                        const Attributes& attributes) {
    const auto& node = place(path, kind);
    auto inode = blank_inode(kind, attributes);
    // Linux's two encodings of a device number (include/linux/kdev_t.h): the old one where it suffices.
    if (major > 0xfff || minor > 0xfffff)
        throw Error(ErrorCode::InvalidArgument, "a device number in the archive is out of range");
    if (major < 256 && minor < 256)
        inode.i_block[0] = (major << 8) | minor;
    else
        inode.i_block[1] = (minor & 0xff) | (major << 8) | ((minor & ~0xffU) << 12);
    volume_.write_inode(node.inode, inode);
    write_xattrs(node.inode, attributes);
}

} // namespace banger
