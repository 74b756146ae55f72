// The file tree that an install changes: the system's own, or one below another root (an image that is being
// made, a test).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace banger::install {

/// A file as it stands.
struct FileState {
    std::string content; ///< of regular files only
    unsigned mode = 0;   ///< permission bits
    unsigned uid = 0;
    bool regular = false; ///< false: a symlink, a device … which an install never replaces
};

class Tree {
public:
    /// `root` is empty for the system itself, else an absolute path.
    explicit Tree(std::string root = {});

    bool is_system() const noexcept { return root_.empty(); }
    /// Where `path` is to be found.
    std::string at(std::string_view path) const { return root_ + std::string(path); }

    /// Nothing when there is no such file. Symlinks are not followed. Throws Error.
    std::optional<FileState> look(const std::string& path) const;
    /// Atomically, durably, as root's; makes the folders that are missing (0755).
    void write(const std::string& path, std::string_view content, unsigned mode) const;
    /// Nothing there: nothing done.
    void remove(const std::string& path) const;
    /// Removes what a write() of `path` left behind that was killed before its end.
    void remove_unfinished(const std::string& path) const;
    /// Removes the folder if it is empty.
    void remove_folder(const std::string& path) const;

private:
    std::string root_;
};

} // namespace banger::install
