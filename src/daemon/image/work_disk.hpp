// The small writable disk that lies over a shared read-only image.
#pragma once

#include <cstdint>
#include <string>

namespace banger {

/// Makes a new sparse file with an ext4 filesystem of `bytes` that holds the folders `upper` and `work` for
/// the guest's overlay (`banger.root=overlay:…`). Takes a few milliseconds whatever the size: nothing is
/// zeroed, all of it is holes. Throws AlreadyExists, InvalidArgument (less than 32 MiB) or FailedPrecondition
/// (disk full).
void make_work_disk(const std::string& path, uint64_t bytes);

} // namespace banger
