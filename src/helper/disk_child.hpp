// The processes that read what a guest wrote on a disk: with no privilege, and nobody's.
#pragma once

#include "base/process.hpp"

#include <functional>

namespace banger::helper {

/// Whether the user or group database knows that number. Throws Error where it cannot be asked.
bool is_account(unsigned id);

/// The uid, and gid, of the processes that work on this owner's disks. Not the owner's own: an owner may
/// trace its processes, and open what they have open by /proc/PID/fd (ptrace(2)). Not one for all owners
/// either, for the same reason. From 0x70000000 on, systemd's UIDS-GIDS.md has a range that nobody gives out;
/// its end is left to the uids of foreign images (0x7FFE0000 on, since systemd 258). FailedPrecondition for
/// an owner whose uid does not fit, and where the host has given that number to somebody all the same.
unsigned disk_child_id(unsigned owner, const std::function<bool(unsigned)>& known = is_account);

/// Runs it with that uid and gid, no supplementary groups and no way to more, to its end or its limit; then
/// kills what it leaves in its session. It ends with the helper. As run() otherwise.
RunResult run_disk_child(ProcessSpec spec, unsigned id, RunLimits limits);

} // namespace banger::helper
