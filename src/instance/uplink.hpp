// The instance's way out: slirp4netns, which carries its traffic in user mode and does not touch the
// machine's network.
#pragma once

#include "base/process.hpp"
#include "instance/layout.hpp"

#include <optional>
#include <string>

namespace banger::instance {

enum class Network { Auto, Uplink, None };

/// "auto", "uplink", "none"; throws InvalidArgument.
Network parse_network(const std::string& word);
/// Whether there is to be an uplink: for Auto, where slirp4netns is installed. For Uplink without it throws
/// Unavailable.
bool wants_uplink(Network network);

/// Runs slirp4netns, in the caller's network namespace, for that of process `pid`; it ends when the last copy
/// of the write end of `exit_read`'s pipe is closed.
ProcessSpec uplink_spec(int pid, int ready_fd, int exit_read, int log_fd);
/// Starts it and waits until it is configured; throws with the end of its log.
Child start_uplink(const Layout& layout, int pid, int exit_read);

} // namespace banger::instance
