// One install or uninstall at a time.
#pragma once

#include "base/fd.hpp"
#include "install/tree.hpp"

namespace banger::install {

inline constexpr const char* configuration_folder = "/etc/banger";

/// Holds the folder of the metadata locked, which is made when it is missing; removed again in the end, if it
/// is empty then. Throws Busy when somebody else holds it.
class SystemLock {
public:
    explicit SystemLock(const Tree& tree);
    SystemLock(const SystemLock&) = delete;
    SystemLock& operator=(const SystemLock&) = delete;
    ~SystemLock();

private:
    Tree tree_;
    OwnedFd folder_;
};

} // namespace banger::install
