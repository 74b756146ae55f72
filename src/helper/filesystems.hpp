// Whose filesystem a file is on: what an owner serves itself, it may also leave unanswered.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace banger::helper {

/// The type of a mount of that filesystem in a text like /proc/self/mountinfo, which has "major:minor" in
/// field 3 and the type after the "-" (proc(5)); empty when there is none.
std::string type_of_mount(dev_t filesystem, std::string_view mountinfo);

/// FailedPrecondition when the file's filesystem may be one that an owner serves, by which it would hold up
/// whoever uses the file, the kernel's own threads too, for as long as it likes: FUSE, and all that is not
/// mounted where the helper is, since anybody may mount an overlay over a FUSE in a namespace of its own. And
/// when its files are windows into the kernel, such as /proc/PID/mem. May block for just that reason: for
/// workers. `what` names the file in errors.
void check_answers(int fd, const std::string& what);

/// FailedPrecondition unless the filesystem is, besides, one that the kernel's loop devices are known to work
/// with: on a disk, or in memory. May block likewise.
void check_holds_disks(int fd, const std::string& what);

} // namespace banger::helper
