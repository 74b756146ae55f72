// One session, from its request to its last frame. Runs in a process of its own.
#pragma once

#include "agent/stream.hpp"

#include <cstdint>

namespace banger::agent {

/// Where the session runs.
struct SessionContext {
    bool in_guest = false; ///< false: an ordinary process, which neither ends the machine nor sets its clock
    bool agent_is_init = false; ///< the agent is PID 1; otherwise the image's own init is
    uint64_t ready_ms = 0;
    uint64_t sessions = 1; ///< open ones
};

/// Serves one session on a connected stream socket and returns when it is over and the client saw its end (or
/// a short limit passed). Never throws; does not close `fd`.
void serve_session(int fd, const SessionContext& context) noexcept;

/// What `info` and the ready frame say.
AgentInfo agent_info(const SessionContext& context);

/// Brings the machine down, as far as it is the session's to do: asks PID 1, and ends the machine itself
/// where PID 1 does not within the request's grace. Throws Unsupported outside of a guest.
void shut_down(const ShutdownRequest& request, const SessionContext& context);

/// What listens in this network namespace, from the text of /proc/net/{tcp,tcp6,udp,udp6}; without the
/// processes' names.
std::vector<ListeningPort> parse_proc_net(std::string_view text, std::string_view protocol,
                                          std::vector<uint64_t>& inodes);
/// The same from /proc, with names.
std::vector<ListeningPort> listening_ports();

/// Fills in what the text of /proc/meminfo, and of /proc/loadavg, says; what is not there stays.
void read_meminfo(std::string_view text, GuestStats& stats);
void read_loadavg(std::string_view text, GuestStats& stats);
/// The same from /proc, and the room on disks.
GuestStats guest_stats();

} // namespace banger::agent
