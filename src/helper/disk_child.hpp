// The processes that read what a guest wrote on a disk: with no privilege, and nobody's.
#pragma once

#include "base/process.hpp"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>

namespace banger::helper {

/// Whether the user or group database knows that number. Throws Error where it cannot be asked.
bool is_account(unsigned id);

/// The uid, and gid, of the processes that work on this owner's disks. Not the owner's own: an owner may
/// trace its processes, and open what they have open by /proc/PID/fd (ptrace(2)). Not one for all owners
/// either, for the same reason. From 0x70000000 on, systemd's UIDS-GIDS.md has a range that nobody gives out;
/// its end is left to the uids of foreign images (0x7FFE0000 on, since systemd 258). FailedPrecondition for
/// an owner whose uid does not fit, and where the host has given that number to somebody all the same.
unsigned disk_child_id(unsigned owner, const std::function<bool(unsigned)>& known = is_account);

/// Those that run. For any thread.
class DiskChildren {
public:
    /// Runs it with that uid and gid, no supplementary groups and no way to more, to its end or its limit;
    /// then kills all that has its uid and is in no session of another one that runs: whoever took it over
    /// may have left its session, but cannot get another uid. It ends with the helper. As banger::run()
    /// otherwise.
    RunResult run(ProcessSpec spec, unsigned id, RunLimits limits);

    /// What a helper that was killed left of them: they are killed. Timeout when some remain. For the start.
    static void end_left();

private:
    struct OfOwner {
        std::mutex mutex; ///< held while one starts, until it is known, and while the rest is killed
        std::multiset<int> sessions;
    };
    std::shared_ptr<OfOwner> of(unsigned id);

    std::mutex mutex_;
    std::map<unsigned, std::shared_ptr<OfOwner>> by_id_; ///< one per owner: bounded by their number
};

} // namespace banger::helper
