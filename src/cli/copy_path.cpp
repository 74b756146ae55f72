#include "cli/copy_path.hpp"

#include "base/error.hpp"
#include "cli/text.hpp"

namespace banger::cli {

namespace {

std::string without_slashes(std::string path) {
    while (path.size() > 1 && path.back() == '/')
        path.pop_back();
    return path;
}

/// Whether the path can only mean a folder.
bool means_folder(const std::string& path) {
    const auto last = path.substr(path.rfind('/') + 1);
    return path.ends_with('/') || last == "." || last == "..";
}

[[noreturn]] void throw_no_folder(const std::string& path) {
    throw Error(ErrorCode::FailedPrecondition, safe_text(path, false) + " is no folder",
                "give the name of a folder, or copy a single file");
}

} // namespace

CopyPath parse_copy_path(const std::string& word) {
    if (word.empty())
        throw Error(ErrorCode::InvalidArgument, "a path is empty");
    if (word == "-") // elsewhere that is standard input or output: no file of this name by mistake
        throw Error(ErrorCode::Unsupported,
                    "copies from standard input and to standard output are not supported yet",
                    "give the path of a file; one that is named '-' is ./-");
    const auto colon = word.find(':');
    if (colon == word.npos || word.front() == '/' || word.front() == '.')
        return {"", word};
    CopyPath result{word.substr(0, colon), word.substr(colon + 1)};
    if (result.vm.empty() || result.path.empty())
        throw Error(ErrorCode::InvalidArgument, "'" + safe_text(word, false) + "' names no path in a VM",
                    "write NAME:PATH; for a file here whose name holds ':', ./" + safe_text(word, false));
    return result;
}

std::string folder_part(const std::string& path) {
    const auto plain = without_slashes(path);
    const auto slash = plain.rfind('/');
    return slash == plain.npos ? "." : without_slashes(plain.substr(0, slash + 1));
}

std::string last_part(const std::string& path) {
    const auto plain = without_slashes(path);
    return plain.substr(plain.rfind('/') + 1);
}

CopyThing thing_at(const std::string& path, bool folder) {
    CopyThing thing{last_part(path), folder, false};
    thing.contents = folder && (thing.name.empty() || thing.name == "." || thing.name == "..");
    return thing;
}

Placement place_copy(const CopyThing& thing, const std::string& target, const agent::PathStatus& there) {
    const auto path = there.path.empty() ? target : there.path;
    switch (there.type) {
    case agent::PathType::Directory:
        return {path, thing.contents ? "" : thing.name};
    case agent::PathType::None:
    case agent::PathType::Symlink: // one that leads nowhere
        if (means_folder(target) && !thing.folder)
            throw Error(ErrorCode::NotFound, "there is no folder " + safe_text(target, false),
                        "make it first, or leave the last slash out to give the copy this name");
        return {folder_part(target), last_part(target)};
    case agent::PathType::File:
        if (thing.folder || means_folder(target))
            throw_no_folder(target);
        return {folder_part(path), last_part(path)};
    default:
        throw Error(ErrorCode::FailedPrecondition,
                    safe_text(target, false) + " is neither a file nor a folder, and is left as it is");
    }
}

} // namespace banger::cli
