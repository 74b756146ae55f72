// The files of a git repository, as they stand in its working tree.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace banger::cli {

struct Workspace {
    std::string root;         ///< the repository's top folder, absolute and without symlinks
    std::string name;         ///< its last part: the folder's name in the guest, below /root
    std::string subdirectory; ///< of the path that was asked for, below the root; empty: the root itself
    std::vector<std::string>
        files; ///< tracked files and symlinks that exist, relative to the root, in git's order

    /// The folder in the guest that the files go to, "/root/NAME", and the one where a command begins.
    std::string guest_root() const { return "/root/" + name; }
    std::string guest_directory() const {
        return subdirectory.empty() ? guest_root() : guest_root() + "/" + subdirectory;
    }
};

/// The workspace that `path` (a folder, the repository's or one below it) belongs to. The repository may be a
/// stranger's: its configuration chooses neither programs nor folders. Throws InvalidArgument when it is no
/// git repository, Unsupported when it has submodules, Unavailable without git.
Workspace open_workspace(const std::string& path);

/// The paths in `git ls-files -z --stage` output, each once. Throws Unsupported for submodules (and names
/// them), InvalidArgument for anything else than git writes and for a path that leads out of the tree or into
/// .git.
std::vector<std::string> parse_tracked_files(std::string_view listing);

} // namespace banger::cli
