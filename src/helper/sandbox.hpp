// What a process gives up before it parses what a guest wrote.
#pragma once

namespace banger::helper {

/// From here on: half a minute of processor time, 512 MiB of memory, no file larger than what `file` is now
/// (a sparse image cannot be grown), no new descriptor, process or core; and no system calls but those that
/// read and write what is open, and manage memory. Throws Error.
void confine(int file);

} // namespace banger::helper
