// The privileged way of banger-jail: prepares, as root and in mounts of its own, what Firecracker's jailer
// wants to find, and becomes the jailer.
#pragma once

#include "base/fd.hpp"
#include "jail/jailer_plan.hpp"

#include <vector>

namespace banger::jail {

/// In this order: leaves the host's mounts for a copy of them, to which nothing of the following leaks back;
/// mounts a small tmpfs at FOLDER/firecracker, where the jailer makes the jail (hence neither copies of
/// programs nor device nodes are ever on a disk, and all goes with the last process); copies firecracker into
/// it by its descriptor; binds the files, each found again with the owner's rights and compared with its
/// descriptor; executes the jailer by its descriptor, with nothing else open. Throws Error.
[[noreturn]] void become_jailer(const JailerPlan& plan, const std::vector<OwnedFd>& descriptors);

} // namespace banger::jail
