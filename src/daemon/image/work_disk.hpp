// The small writable disk that lies over a shared read-only image.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

namespace banger {

/// Makes a new sparse file with an ext4 filesystem of `bytes` that holds the folders `upper` and `work` for
/// the guest's overlay (`banger.root=overlay:…`). Takes a few milliseconds whatever the size: nothing is
/// zeroed, all of it is holes. Throws AlreadyExists, InvalidArgument (less than 32 MiB) or FailedPrecondition
/// (disk full).
void make_work_disk(const std::string& path, uint64_t bytes);

/// Makes it larger, with the filesystem in it: e2fsck, which also plays back the journal, then resize2fs,
/// both as this user. Nobody may use it meanwhile. `stop` ends e2fsck, not resize2fs. When the filesystem
/// does not grow, the file has become larger and is otherwise whole; the same call again goes on from there.
/// Throws InvalidArgument when the file is larger already, FailedPrecondition when e2fsck finds what it
/// cannot mend, Unavailable without the programs.
void grow_work_disk(const std::string& path, uint64_t bytes, const std::stop_token& stop = {});

} // namespace banger
