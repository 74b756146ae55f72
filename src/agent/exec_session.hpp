// The agent's side of an exec session.
#pragma once

#include "agent/stream.hpp"

namespace banger::agent {

/// Runs the command and carries its streams until it ended and what it wrote is delivered, or the client went
/// away. Throws Error where the command could not be started for reasons that are not its own.
void serve_exec(FrameStream& stream, int stream_fd, const ExecRequest& request);

} // namespace banger::agent
