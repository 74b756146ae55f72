// The loop's record of one VM: what it is, how it is, and the queue in which its operations wait for each
// other.
#pragma once

#include "base/loop.hpp"
#include "daemon/crew.hpp"
#include "daemon/job/job.hpp"
#include "daemon/vm/state_waiters.hpp"
#include "daemon/vm/vm.hpp"
#include "daemon/vm/vm_object.hpp"
#include "daemon/wait.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace banger::daemon {

enum class OpKind { Recover, Start, Stop, Kill, Restart, Pause, Set, Delete, Exit, Cleanup };

/// One thing to be done to a VM. `begin` is called in the loop when it is its turn; it leads, sooner or
/// later, to VmEntry::finished().
struct Operation {
    OpKind kind;
    std::shared_ptr<Job> job; ///< null for the daemon's own
    std::function<void()> begin;
    std::stop_source hurry{}; ///< of a stop or a restart: kill now
};

/// A signal that may be why a VMM ends.
struct SentSignal {
    SignalName signal;
    Clock::time_point at;
};

/// For the loop's thread. Operations on one VM run one after the other; those of different VMs side by side.
class VmEntry : public std::enable_shared_from_this<VmEntry> {
public:
    VmEntry(Loop& loop, VmConfig its_config, VmPaths its_paths)
        : config(std::move(its_config))
        , paths(std::move(its_paths))
        , loop_(loop) {}
    VmEntry(const VmEntry&) = delete;

    VmConfig config; ///< changed by rename and set alone
    const VmPaths paths;
    VmStatus status;
    std::unique_ptr<VmObject> object;     ///< null once it is off the bus
    std::shared_ptr<const OwnedFd> pidfd; ///< of the running VMM
    FdWatch exit_watch;
    std::string tied_to;                          ///< the client that it goes with; empty: none
    bool needs_cleanup = false;                   ///< the helper may hold something of it
    bool recovering = false;                      ///< state is what the last daemon wrote, not yet looked at
    std::vector<std::function<void()>> recovered; ///< waiting for that
    StateWaiters waiters;
    std::optional<SentSignal> sent;                               ///< to its VMM, by somebody: the last one
    unsigned quick_reboots = 0;                                   ///< in a row
    std::function<void(const Outcome<Nothing>& outcome)> on_gone; ///< of a deletion: nothing of it is left
    std::string halted_console;      ///< what it ended with when the guest seemed to have halted
    bool asked_whether_idle = false; ///< the answer is under way
    bool asked_whether_halted = false;
    Timer retry;
    unsigned retries = 0;

    void enqueue(Operation operation);
    /// Before all that waits.
    void enqueue_front(Operation operation);
    /// The operation under way has ended; the next may begin.
    void finished();
    bool busy() const noexcept { return current_.has_value() || !queue_.empty(); }
    /// The operation under way goes on as another one: a restart as the start that it ends with.
    void become(OpKind kind, std::shared_ptr<Job> job);
    /// A stop, kill or delete waits its turn.
    bool end_is_waiting() const noexcept;
    /// Nothing but the daemon's own tidying is under way or waits.
    bool only_cleaning() const noexcept;
    const std::optional<Operation>& current() const noexcept { return current_; }

    /// What wins over starts: those that wait or run are asked to stop; restarts end with their stop.
    void cancel_starts();
    /// What wins over a graceful stop: those that run or wait are told to kill.
    void hurry_stop();

private:
    void schedule();
    void pump();

    Loop& loop_;
    std::deque<Operation> queue_;
    std::optional<Operation> current_;
    bool scheduled_ = false;
};

} // namespace banger::daemon
