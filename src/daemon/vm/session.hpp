// Opening a stream to a guest's agent for a client: in the loop, waiting for nothing.
#pragma once

#include "base/error.hpp"
#include "base/fd.hpp"

#include <functional>
#include <string>
#include <variant>

namespace banger::daemon {

using SessionAnswer = std::function<void(std::variant<OwnedFd, Error> answer)>;

/// Connects to the agent's port through the VMM's hybrid vsock socket. `answer` is called once, in the loop:
/// with a connected, blocking descriptor on which the next byte is the agent's, or with Unavailable or
/// Timeout (10 s). `early`: with one on which the VMM's line `OK <number>` is still to come, at once.
void open_session(const std::string& vsock_socket, bool early, SessionAnswer answer);

} // namespace banger::daemon
