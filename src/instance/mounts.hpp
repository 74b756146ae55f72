// Mount operations of a mount namespace of our own. Each throws an Error that names the path.
#pragma once

#include "base/fd.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace banger::instance {

/// A copy of a mount tree that is attached nowhere yet (open_tree(2)), so that it outlasts what gets mounted
/// over its origin.
class HeldTree {
public:
    /// With all mounts below it. Follows no symlink at the end.
    static HeldTree take(const std::string& path);
    /// The same; empty when there is nothing at `path`.
    static std::optional<HeldTree> take_if_there(const std::string& path);
    /// Before put(): all of it.
    HeldTree& make_read_only();
    /// Attaches it over `target`, which must exist and be of its kind (folder or not).
    void put(const std::string& target);

private:
    HeldTree(OwnedFd fd, std::string origin)
        : fd_(std::move(fd))
        , origin_(std::move(origin)) {}
    OwnedFd fd_;
    std::string origin_;
};

/// No mount made from now on is seen outside, nor any made outside seen here.
void make_mounts_private();
/// A fresh filesystem: mount(2) with nosuid.
void mount_fresh(const char* type, const std::string& target, const char* options = nullptr);
/// Makes a folder of exactly this owner and mode; its parent exists.
void make_folder(const std::string& path, unsigned mode, unsigned id = 0);
/// Makes a file of root's with this content and mode.
void make_file(const std::string& path, const std::string& content, unsigned mode = 0644);

/// Replaces the folder by a tmpfs that shows the same entries, so that names can be added, or taken over,
/// without touching the disk: each entry is mounted from the folder as it was, symlinks are made anew.
/// Entries whose names are in `without` are left out.
void graft(const std::string& folder, const std::vector<std::string>& without, bool read_only);

} // namespace banger::instance
