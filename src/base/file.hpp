// Files and folders, with the care that durable state needs.
#pragma once

#include "base/fd.hpp"

#include <string>
#include <string_view>

namespace banger {

/// The whole file; more than `limit` bytes is an Error.
std::string read_file(const std::string& path, size_t limit = 16 << 20);
/// Writes a new file beside it and renames it over `path`: readers see the old or the new content, never a
/// half. With `durable`, also fsync of file and folder.
void write_file_atomically(const std::string& path, std::string_view content, unsigned mode = 0600,
                           bool durable = false);
/// Whether that is the name of a file that write_file_atomically() left, killed before its end, beside the
/// one called `name`.
bool is_unfinished(std::string_view file, std::string_view name);
/// Makes `path` and its parents, each new one with `mode`.
void make_directories(const std::string& path, unsigned mode = 0700);
/// Makes sure that `path` is a real directory (no symlink) of uid `owner` with mode 0700: makes it, or
/// tightens the mode; refuses a symlink, or one that someone else owns.
void ensure_private_directory(const std::string& path, unsigned owner);
/// Removes a tree, never following symlinks nor crossing into another filesystem. Nothing there: nothing
/// done.
void remove_tree(const std::string& path);
/// Removes what the directory `path` holds, under the same rules, and keeps the directory itself.
void remove_contents(const std::string& path);

/// $XDG_DATA_HOME/banger, $XDG_STATE_HOME/banger, $XDG_RUNTIME_DIR/banger, $XDG_CACHE_HOME/banger, with their
/// defaults from the XDG base directory specification; throws FailedPrecondition when neither variable nor
/// HOME is set.
std::string xdg_data_dir();
std::string xdg_state_dir();
std::string xdg_cache_dir();
std::string xdg_runtime_dir();

} // namespace banger
