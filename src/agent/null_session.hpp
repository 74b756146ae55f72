// An agent without a guest behind it: answers every request as an agent does, and runs nothing. For
// banger-qemu's null machine, with which everything above the VMM is tested where no guest can run.
#pragma once

#include <cstdint>

namespace banger::agent {

enum class NullSessionEnd { Ordinary, ShutdownAsked };

/// Serves one session on a connected stream socket and returns when it is over; blocking, for a thread of its
/// own. `exec` copies its standard input to its standard output and exits with 0 (a request that has
/// `timeout_ms` is obeyed: 124); `put` counts, `get` has one empty file, `stat` knows the folder /root alone.
/// Does not close `fd`. Never throws.
NullSessionEnd serve_null_session(int fd, uint64_t sessions = 1) noexcept;

} // namespace banger::agent
