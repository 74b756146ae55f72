// The words of `vm cp`: which side a path is on, and what a copy is named where it arrives.
#pragma once

#include "agent/protocol.hpp"

#include <string>

namespace banger::cli {

/// One word of the command line.
struct CopyPath {
    std::string vm; ///< empty: here
    std::string path;
};

/// "NAME:PATH" is in a VM; what begins with "/" or ".", or holds no ":", is here. Throws InvalidArgument for
/// a VM or path that is empty, Unsupported for "-".
CopyPath parse_copy_path(const std::string& word);

/// What is copied.
struct CopyThing {
    std::string name; ///< the last part of its path
    bool folder = false;
    bool contents = false; ///< a folder's contents, not the folder: PATH/. and the like
};
/// By the path alone; `folder` is for who knows.
CopyThing thing_at(const std::string& path, bool folder);

/// Where a copy goes: beneath this folder, with this name; no name: the contents go into the folder itself.
struct Placement {
    std::string folder;
    std::string name;
};

/// The rules of cp(1) and of docker cp. `target` is the path as given, `there` what was found at it (its
/// `path` is used, if known, so that a symlink's end is what is written to). Throws FailedPrecondition or
/// NotFound when the two do not fit. Whether the folder exists is not known here when `there` is nothing.
Placement place_copy(const CopyThing& thing, const std::string& target, const agent::PathStatus& there);

/// The folder part of a path, "." or "/" where there is none; and the last part.
std::string folder_part(const std::string& path);
std::string last_part(const std::string& path);

} // namespace banger::cli
