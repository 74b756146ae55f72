// The host's side of the agent protocol: what CLI and daemon call, blocking, on a descriptor that is
// connected to the agent. One request per connection. Unless said otherwise, failures are: Unavailable when
// the guest or its agent is gone, Timeout when a deadline passed, Cancelled when `stop` was asked for, and
// whatever the agent reports.
#pragma once

#include "agent/protocol.hpp"
#include "agent/stream.hpp"
#include "agent/tree.hpp"
#include "base/fd.hpp"

#include <stop_token>
#include <string>

namespace banger::agent {

/// Connects to a guest's port through Firecracker's hybrid vsock: to the unix socket `uds_path`, then
/// `CONNECT <port>\n`, and reads exactly the line `OK <number>\n`. Unavailable when nobody listens, on the
/// host's or on the guest's side.
OwnedFd connect_hybrid(const std::string& uds_path, uint32_t port, Deadline deadline,
                       std::stop_token stop = {});
/// The same two lines on a socket that is connected already.
void greet_hybrid(int fd, uint32_t port, Deadline deadline);

/// The second of them alone, where the first one has been sent, for event loops.
class GreetingLine {
public:
    /// Reads what is there of it. True when it has come whole; throws Unavailable when something else came.
    bool read(int fd);

private:
    std::string line_;
};
/// The Timeout of a line that does not come.
Error not_accepted();

/// What an exec session is connected to on the host.
struct ExecStreams {
    int in = 0;  ///< -1: nothing to read
    int out = 1; ///< -1: thrown away; the same for err
    int err = 2; ///< not used when the request has a tty
    /// With a tty request, and `in` a terminal: raw mode meanwhile, and window size changes go to the guest.
    bool terminal = false;
    /// SIGINT, SIGTERM, SIGHUP, SIGQUIT of this process go to the command. They are blocked in the calling
    /// thread meanwhile; other threads must have them blocked, too.
    bool forward_signals = false;
    /// The line `OK <number>` is still to come: the request does not wait for it.
    bool greeting_to_come = false;
    size_t output_limit =
        0; ///< more bytes on out and err together are an Error{FailedPrecondition}; 0: no limit
};

/// Runs a command in the guest and carries its streams. The result is its exit status, 128 + the signal that
/// killed it, 124 when its time was up, 126 or 127 when it could not be executed. A closed `out` or `err`
/// gives the command a broken pipe.
int exec(int fd, const ExecRequest& request, const ExecStreams& streams = {}, std::string_view op_id = {},
         std::stop_token stop = {});

struct CapturedOutput {
    int status = 0;
    std::string out;
    std::string err;
};
/// The same with `input` as standard input, and the outputs collected: at most `limit` bytes together.
CapturedOutput exec_captured(int fd, const ExecRequest& request, std::string_view input,
                             size_t limit = 16 << 20, std::string_view op_id = {}, std::stop_token stop = {});

/// The size of the terminal `fd`; zeros when it is none. For ExecRequest::rows and cols.
WindowSize terminal_size(int fd) noexcept;

/// Sends entries, which the agent writes beneath request.directory.
TransferSummary put(int fd, const PutRequest& request, EntrySource& source, std::string_view op_id = {},
                    std::stop_token stop = {});
/// Fetches a file or tree into `sink`: TreeWriter with TreeLimits::mode_mask of at most 0777, and
/// keep_folders, writes it safely to the host.
TransferSummary get(int fd, const GetRequest& request, EntrySink& sink, std::string_view op_id = {},
                    std::stop_token stop = {});
/// What is at a path in the guest; symlinks are followed.
PathStatus stat(int fd, const StatRequest& request, Deadline deadline, std::string_view op_id = {},
                std::stop_token stop = {});

AgentInfo info(int fd, Deadline deadline, std::string_view op_id = {});
std::vector<ListeningPort> ports(int fd, Deadline deadline, std::string_view op_id = {});
/// Memory, load and disks as the guest's kernel has them. An older agent's answer is Unsupported.
GuestStats stats(int fd, Deadline deadline, std::string_view op_id = {});
/// Asks the guest to end; returns when the agent has agreed to. The VMM's end is what shows that it did.
void shutdown(int fd, const ShutdownRequest& request, Deadline deadline, std::string_view op_id = {});
/// Sets the guest's clock: after a start from a snapshot or a pause it is behind by as long as that took.
void set_time(int fd, const TimeRequest& request, Deadline deadline, std::string_view op_id = {});

/// Reads the ready frame from a connection that the guest made to ready_port.
AgentInfo receive_ready(int fd, Deadline deadline);

} // namespace banger::agent
