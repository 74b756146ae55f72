// Starts the command of an exec session: its user, directory, environment, pipes or terminal.
#pragma once

#include "agent/protocol.hpp"
#include "base/fd.hpp"

#include <sys/types.h>

namespace banger::agent {

/// A started command, the leader of its own session and process group.
struct Command {
    pid_t pid = -1;
    OwnedFd pidfd;
    OwnedFd input;  ///< our end; with a tty the master
    OwnedFd output; ///< our end; with a tty the master
    OwnedFd errors; ///< empty with a tty
};

/// The command could not be executed: what a shell would print, and its exit status (127 not found, 126
/// else).
struct NotExecuted {
    std::string message;
    int status;
};

using StartResult = std::variant<Command, NotExecuted>;

/// Starts it. Throws Error for what is not the command's own fault: no such user, no such directory, no
/// resources.
StartResult start_command(const ExecRequest& request);

/// Sends `signal` to the process group of the session leader `pid`; SIGKILL goes to all groups of the session
/// (a shell with job control makes more than one).
void signal_command(pid_t pid, int signal) noexcept;

} // namespace banger::agent
