#include "helper/image_ext4.hpp"

extern "C" { // com_err.h says nothing of C++
#include <com_err.h>
#include <ext2fs/ext2fs.h>
}

#include <ctime>
#include <memory>
#include <utility>

namespace banger::helper {

namespace {

Error ext4_error(const std::string& what, errcode_t code) {
    switch (code) {
    case EXT2_ET_FILE_NOT_FOUND:
        return {ErrorCode::NotFound, what + ": there is no such file"};
    case EXT2_ET_BLOCK_ALLOC_FAIL:
    case EXT2_ET_INODE_ALLOC_FAIL:
        return {ErrorCode::FailedPrecondition, what + ": the filesystem is full"};
    case EXT2_ET_BAD_MAGIC:
        return {ErrorCode::InvalidArgument, what + ": there is no ext4 on it"};
    default:
        return {ErrorCode::FailedPrecondition, what + ": " + ::error_message(code),
                "the filesystem may be damaged: check it first"};
    }
}

void want(errcode_t code, const std::string& what) {
    if (code)
        throw ext4_error(what, code);
}

class Filesystem {
public:
    Filesystem(int image, bool write) {
        // By descriptor: no name is opened here.
        ::initialize_ext2_error_table();
        want(::ext2fs_open2(std::to_string(image).c_str(), nullptr,
                            EXT2_FLAG_64BITS | (write ? EXT2_FLAG_RW : 0), 0, 0, unixfd_io_manager, &fs_),
             "open the image");
        if (write &&
            (ext2fs_has_feature_journal_needs_recovery(fs_->super) || (fs_->super->s_state & EXT2_ERROR_FS)))
            throw_dirty();
        if (write)
            want(::ext2fs_read_bitmaps(fs_), "read the image's bitmaps");
        fs_->flags |= EXT2_FLAG_MASTER_SB_ONLY; // the copies of the superblock stay as mke2fs made them
    }
    Filesystem(const Filesystem&) = delete;
    Filesystem& operator=(const Filesystem&) = delete;
    ~Filesystem() { ::ext2fs_free(fs_); }
    /// Writes what is not written yet.
    void finish() const { want(::ext2fs_flush(fs_), "write the image"); }
    ext2_filsys get() const noexcept { return fs_; }

private:
    [[noreturn]] void throw_dirty() {
        ::ext2fs_free(fs_);
        throw Error(ErrorCode::FailedPrecondition, "the filesystem was not unmounted, or has errors",
                    "check it first");
    }
    ext2_filsys fs_ = nullptr;
};

/// A file of the image, open.
class OpenFile {
public:
    OpenFile(ext2_filsys fs, ext2_ino_t inode, int flags, const std::string& what) {
        want(::ext2fs_file_open(fs, inode, flags, &file_), what);
    }
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;
    ~OpenFile() {
        if (file_)
            ::ext2fs_file_close(file_);
    }
    ext2_file_t get() const noexcept { return file_; }
    errcode_t close() { return ::ext2fs_file_close(std::exchange(file_, nullptr)); }

private:
    ext2_file_t file_ = nullptr;
};

ext2_inode inode_of(ext2_filsys fs, ext2_ino_t number, const std::string& what) {
    ext2_inode inode{};
    want(::ext2fs_read_inode(fs, number, &inode), what);
    return inode;
}

class Writer {
public:
    explicit Writer(ext2_filsys fs)
        : fs_(fs)
        , now_(static_cast<uint32_t>(std::time(nullptr))) {}

    void write(const ImageFile& file) const {
        const auto& path = file.path.str();
        const auto folder = make_folders(file.path.folder());
        const auto name = file.path.leaf();
        ext2_ino_t old = 0;
        const auto code =
            ::ext2fs_lookup(fs_, folder, name.data(), static_cast<int>(name.size()), nullptr, &old);
        if (code && code != EXT2_ET_FILE_NOT_FOUND)
            throw ext4_error(path, code);
        if (!code && LINUX_S_ISDIR(inode_of(fs_, old, path).i_mode))
            throw Error(ErrorCode::FailedPrecondition, path + " is a folder");
        const auto made = make_inode(folder, file);
        fill(made, file);
        if (!code)
            want(::ext2fs_unlink(fs_, folder, name.c_str(), old, 0), path);
        link(folder, name, made, path);
        if (!code)
            drop(old, path);
    }

private:
    /// The folder at `path`, following symlinks inside of the image; what is missing at its end is made.
    ext2_ino_t make_folders(const std::string& path) const {
        ext2_ino_t found = EXT2_ROOT_INO;
        if (path == "/")
            return found;
        const auto code = ::ext2fs_namei_follow(fs_, EXT2_ROOT_INO, EXT2_ROOT_INO, path.c_str(), &found);
        if (!code) {
            if (!LINUX_S_ISDIR(inode_of(fs_, found, path).i_mode))
                throw Error(ErrorCode::FailedPrecondition, path + " is no folder");
            return found;
        }
        if (code != EXT2_ET_FILE_NOT_FOUND)
            throw ext4_error(path, code);
        const auto at = path.rfind('/');
        const auto parent = make_folders(at == 0 ? "/" : path.substr(0, at));
        const auto name = path.substr(at + 1);
        auto made = ::ext2fs_mkdir(fs_, parent, 0, name.c_str());
        if (made == EXT2_ET_DIR_NO_SPACE) {
            want(::ext2fs_expand_dir(fs_, parent), path);
            made = ::ext2fs_mkdir(fs_, parent, 0, name.c_str());
        }
        want(made, path);
        want(::ext2fs_lookup(fs_, parent, name.data(), static_cast<int>(name.size()), nullptr, &found), path);
        auto inode = inode_of(fs_, found, path);
        inode.i_mode = LINUX_S_IFDIR | 0755; // whatever the umask
        want(::ext2fs_write_inode(fs_, found, &inode), path);
        return found;
    }

    ext2_ino_t make_inode(ext2_ino_t folder, const ImageFile& file) const {
        const auto& path = file.path.str();
        ext2_ino_t number = 0;
        want(::ext2fs_new_inode(fs_, folder, LINUX_S_IFREG | 0644, nullptr, &number), path);
        ext2_inode inode{};
        inode.i_mode = static_cast<uint16_t>(LINUX_S_IFREG | file.mode);
        inode.i_uid = static_cast<uint16_t>(file.uid & 0xffff);
        inode.osd2.linux2.l_i_uid_high = static_cast<uint16_t>(file.uid >> 16);
        inode.i_gid = static_cast<uint16_t>(file.gid & 0xffff);
        inode.osd2.linux2.l_i_gid_high = static_cast<uint16_t>(file.gid >> 16);
        inode.i_atime = inode.i_ctime = inode.i_mtime = now_;
        inode.i_links_count = 1;
        if (ext2fs_has_feature_extents(fs_->super)) {
            inode.i_flags = EXT4_EXTENTS_FL;
            ext2_extent_handle_t handle = nullptr; // writes an empty extent tree into the inode
            want(::ext2fs_extent_open2(fs_, number, &inode, &handle), path);
            ::ext2fs_extent_free(handle);
        }
        want(::ext2fs_write_new_inode(fs_, number, &inode), path);
        ::ext2fs_inode_alloc_stats2(fs_, number, +1, 0);
        return number;
    }

    void fill(ext2_ino_t number, const ImageFile& file) const {
        const auto& path = file.path.str();
        OpenFile open(fs_, number, EXT2_FILE_WRITE, path);
        for (size_t done = 0; done < file.content.size();) {
            unsigned written = 0;
            want(::ext2fs_file_write(open.get(), file.content.data() + done,
                                     static_cast<unsigned>(file.content.size() - done), &written),
                 path);
            done += written;
        }
        want(open.close(), path);
    }

    void link(ext2_ino_t folder, const std::string& name, ext2_ino_t number, const std::string& path) const {
        auto code = ::ext2fs_link(fs_, folder, name.c_str(), number, EXT2_FT_REG_FILE);
        if (code == EXT2_ET_DIR_NO_SPACE) {
            want(::ext2fs_expand_dir(fs_, folder), path);
            code = ::ext2fs_link(fs_, folder, name.c_str(), number, EXT2_FT_REG_FILE);
        }
        want(code, path);
    }

    /// One name less; with the last one goes the file.
    void drop(ext2_ino_t number, const std::string& path) const {
        auto inode = inode_of(fs_, number, path);
        if (inode.i_links_count > 1) {
            --inode.i_links_count;
            return want(::ext2fs_write_inode(fs_, number, &inode), path);
        }
        inode.i_links_count = 0;
        inode.i_dtime = now_;
        want(::ext2fs_free_ext_attr(fs_, number, nullptr), path);
        inode.i_file_acl = 0;
        if (ext2fs_inode_has_valid_blocks2(fs_, &inode))
            want(::ext2fs_punch(fs_, number, &inode, nullptr, 0, ~0ULL), path);
        want(::ext2fs_write_inode(fs_, number, &inode), path);
        ::ext2fs_inode_alloc_stats2(fs_, number, -1, 0);
    }

    ext2_filsys fs_;
    uint32_t now_;
};

} // namespace

std::string read_image_file(int image, const ImagePath& path) {
    const Filesystem filesystem(image, false);
    auto* const fs = filesystem.get();
    ext2_ino_t number = 0;
    want(::ext2fs_namei_follow(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path.str().c_str(), &number), path.str());
    auto inode = inode_of(fs, number, path.str());
    if (!LINUX_S_ISREG(inode.i_mode))
        throw Error(ErrorCode::FailedPrecondition, path.str() + " is no regular file");
    const auto size = EXT2_I_SIZE(&inode);
    if (size > most_image_bytes)
        throw Error(ErrorCode::FailedPrecondition, path.str() + " has " + std::to_string(size) +
                                                       " bytes, which are more than " +
                                                       std::to_string(most_image_bytes));
    const OpenFile file(fs, number, 0, path.str());
    std::string content(size, '\0');
    for (size_t done = 0; done < content.size();) {
        unsigned got = 0;
        want(::ext2fs_file_read(file.get(), content.data() + done,
                                static_cast<unsigned>(content.size() - done), &got),
             path.str());
        if (got == 0)
            throw Error(ErrorCode::FailedPrecondition, path.str() + " ends before its end");
        done += got;
    }
    return content;
}

void write_image_files(int image, const std::vector<ImageFile>& files) {
    const Filesystem filesystem(image, true);
    const Writer writer(filesystem.get());
    for (const auto& file : files)
        writer.write(file);
    filesystem.finish();
}

} // namespace banger::helper
