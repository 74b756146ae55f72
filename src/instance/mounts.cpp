#include "instance/mounts.hpp"

#include "base/error.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

namespace banger::instance {

namespace {

namespace fs = std::filesystem;

/// One entry of a folder that is about to be covered.
struct Entry {
    std::string name;
    bool is_folder = false;
    std::string link; ///< where a symlink points to
    std::optional<HeldTree> tree;
};

std::vector<Entry> hold_entries(const std::string& folder, const std::vector<std::string>& without,
                                bool read_only) {
    std::vector<Entry> entries;
    for (const auto& item : fs::directory_iterator(folder)) {
        Entry entry;
        entry.name = item.path().filename().string();
        if (std::find(without.begin(), without.end(), entry.name) != without.end())
            continue;
        std::error_code gone;
        const auto status = item.symlink_status(gone);
        if (fs::is_symlink(status)) {
            entry.link = fs::read_symlink(item.path(), gone).string();
        } else {
            entry.is_folder = fs::is_directory(status);
            entry.tree = HeldTree::take_if_there(item.path().string());
            if (entry.tree && read_only)
                entry.tree->make_read_only();
        }
        if (entry.tree || !entry.link.empty())
            entries.push_back(std::move(entry));
    }
    return entries;
}

} // namespace

std::optional<HeldTree> HeldTree::take_if_there(const std::string& path) {
    OwnedFd fd(::open_tree(AT_FDCWD, path.c_str(),
                           OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW));
    if (fd)
        return HeldTree(std::move(fd), path);
    if (errno == ENOENT || errno == ENOTDIR)
        return std::nullopt;
    throw_errno("hold the mounts at " + path);
}

HeldTree HeldTree::take(const std::string& path) {
    auto tree = take_if_there(path);
    if (!tree)
        throw Error(ErrorCode::NotFound, "there is no " + path);
    return std::move(*tree);
}

HeldTree& HeldTree::make_read_only() {
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_RDONLY;
    if (::mount_setattr(fd_.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes) < 0)
        throw_errno("make " + origin_ + " read-only");
    return *this;
}

void HeldTree::put(const std::string& target) {
    if (::move_mount(fd_.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) < 0)
        throw_errno("mount " + origin_ + " at " + target);
    fd_.reset();
}

void make_mounts_private() {
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0)
        throw_errno("make mounts private");
}

void mount_fresh(const char* type, const std::string& target, const char* options) {
    if (::mount(type, target.c_str(), type, MS_NOSUID, options) < 0)
        throw_errno(std::string("mount ") + type + " at " + target);
}

void make_folder(const std::string& path, unsigned mode, unsigned id) {
    if (::mkdir(path.c_str(), 0700) < 0 && errno != EEXIST)
        throw_errno("make directory " + path);
    if (::lchown(path.c_str(), id, id) < 0 || ::chmod(path.c_str(), mode) < 0)
        throw_errno("give " + path + " its owner and mode");
}

void make_file(const std::string& path, const std::string& content, unsigned mode) {
    const auto file = open_file(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    write_all(file.get(), content, path);
    if (::fchmod(file.get(), mode) < 0)
        throw_errno("chmod " + path);
}

void graft(const std::string& folder, const std::vector<std::string>& without, bool read_only) {
    struct stat status{};
    if (::stat(folder.c_str(), &status) < 0)
        throw_errno("stat " + folder);
    auto entries = hold_entries(folder, without, read_only);
    mount_fresh("tmpfs", folder);
    if (::chmod(folder.c_str(), status.st_mode & 07777) < 0)
        throw_errno("chmod " + folder);
    for (auto& entry : entries) {
        const auto path = folder + "/" + entry.name;
        if (!entry.tree) {
            if (::symlink(entry.link.c_str(), path.c_str()) < 0)
                throw_errno("make symlink " + path);
            continue;
        }
        if (entry.is_folder)
            make_folder(path, 0755);
        else
            make_file(path, "");
        entry.tree->put(path);
    }
}

} // namespace banger::instance
