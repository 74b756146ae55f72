// Processes by an identity that cannot be reused: found by pid, proven by start time and boot, held by pidfd.
#pragma once

#include "base/fd.hpp"
#include "helper/record.hpp"

#include <functional>
#include <string>
#include <vector>

namespace banger::helper {

/// This boot's id, /proc/sys/kernel/random/boot_id.
const std::string& boot_id();
/// Who has this pid now; `start` is 0 when nobody has.
ProcessId identify(int pid);
/// A pidfd of exactly this process while it runs; empty when it is gone, or a zombie, or the pid is another's
/// by now.
OwnedFd open_if_alive(const ProcessId& id);
/// False once the process has ended (a zombie has).
bool alive(int pidfd);
/// pidfd_send_signal(2). A process that is gone is no error.
void send_signal(int pidfd, int number);
/// Every pid of this moment.
std::vector<int> all_pids();
/// The real uid of a process, from the "Uid:" line of /proc/PID/status (proc(5)): right even where the
/// process hides the rest from its own user. Throws Error when it is gone.
long uid_of(int pid);
/// Parent of a process, and its session's id; 0 when it cannot be told.
int parent_of(int pid);
int session_of(int pid);
/// Pidfds of the processes of this moment for which `is_meant` holds. Errors of `is_meant` are a no: the
/// process has ended.
std::vector<OwnedFd> processes_where(const std::function<bool(int pid)>& is_meant);
/// Kills whom `members` finds, until it finds nobody. `whose` names them in the Timeout that comes when some
/// remain after five seconds. Blocks.
void kill_all(const std::function<std::vector<OwnedFd>()>& members, const std::string& whose);
/// Kills a session's leader and what runs in its session with the same real uid, until nothing does; also
/// when the leader has ended before the others. For a jail that was caught half-made: bubblewrap's child
/// waits for a word of its parent without noticing the parent's end, and is in no jail yet by which it could
/// be found. May block for some milliseconds.
void kill_session(const ProcessId& leader, uint32_t uid);

} // namespace banger::helper
