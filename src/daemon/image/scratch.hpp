// Temporary folders in which a child writes files as subordinate users (/etc/subuid): an ordinary unlink by
// the owner is refused there, so they are removed from inside a user namespace.
#pragma once

#include <string>

namespace banger {

/// A folder below $TMPDIR or /tmp that every user may pass through (0711), as a user namespace's root needs
/// it. Its path is written down in `<staging>/scratch`, so that what a killed build leaves can be found.
/// Removed with the object.
class Scratch {
public:
    explicit Scratch(const std::string& staging);
    Scratch(const Scratch&) = delete;
    ~Scratch();
    const std::string& path() const noexcept { return path_; }

private:
    std::string path_;
    std::string note_;
};

/// Removes the scratch folder that `<staging>/scratch` names, if there is one and it is the caller's own.
void remove_noted_scratch(const std::string& staging);

} // namespace banger
