// What an install wants to be there, and what stands between that and what there is. Values, so that tests
// can look at them.
#pragma once

#include "install/metadata.hpp"
#include "install/programs.hpp"
#include "install/tree.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace banger::install {

/// A file that must be there.
struct WantedFile {
    std::string path;   ///< where the install writes it
    std::string vendor; ///< where a package may have put the very same; empty: nowhere
    std::string content;
};

/// Everything that is rendered from the metadata (owners, bindir).
std::vector<WantedFile> wanted_files(const Metadata& metadata);

enum class ChangeKind {
    Unchanged, ///< it is there, as wanted
    Packaged,  ///< a package's file does
    Write,     ///< it is not there
    Replace,   ///< it is there as an earlier install wrote it, or with another's mode
    Save,      ///< something else is there, of unknown origin: it is kept aside, under `aside`
    Keep,      ///< somebody changed it since an install wrote it: it is left alone
    Remove,    ///< an earlier install wrote it, and it is not wanted any more
};

struct Change {
    ChangeKind kind;
    std::string path;
    std::string content; ///< to write
    std::string before;  ///< what stands there now; for Replace, Save and Remove
    unsigned mode_before = 0;

    bool changes() const noexcept {
        return kind == ChangeKind::Write || kind == ChangeKind::Replace || kind == ChangeKind::Save ||
               kind == ChangeKind::Remove;
    }
};

/// "unchanged", "packaged", "written", "replaced", "saved", "kept", "removed".
std::string_view change_name(ChangeKind kind) noexcept;
/// Where Save puts what was there.
std::string aside_path(const std::string& path);

struct Plan {
    Metadata before; ///< what the last install wrote; empty version: none
    Metadata after;  ///< what this one will have written
    std::vector<Change> changes;

    bool changes_anything() const noexcept;
};

/// Compares. `after.files` is filled in; `overwrite`: what somebody changed is replaced all the same.
Plan make_plan(const Tree& tree, const Metadata& before, Metadata after, const Programs& programs,
               bool overwrite);

/// Whether `content` is what the record says: what an install wrote, or was about to replace.
bool is_as_recorded(const InstalledFile& record, std::string_view content);

} // namespace banger::install
