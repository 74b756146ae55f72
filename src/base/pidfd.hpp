// Signals to processes that cannot be mistaken for others.
#pragma once

namespace banger {

/// pidfd_send_signal(2): 0, or the errno with which it failed; ESRCH says that the process has ended.
int signal_pidfd(int pidfd, int number) noexcept;

} // namespace banger
