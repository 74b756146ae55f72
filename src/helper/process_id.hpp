// Processes by an identity that cannot be reused: found by pid, proven by start time and boot, held by pidfd.
#pragma once

#include "base/fd.hpp"
#include "helper/record.hpp"

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
/// Parent of a process; 0 when it cannot be told.
int parent_of(int pid);
/// Kills a process and its children, the process held still meanwhile so that it makes no more. For a jail
/// that was caught half-made: what is in it waits for a pipe that would let it go when its other end closes.
/// May block for some milliseconds.
void kill_family(const ProcessId& id);

} // namespace banger::helper
