// How a VMM is started. Behind an interface: as a child, as here, or by whoever else keeps processes.
#pragma once

#include "base/loop.hpp"
#include "helper/jail.hpp"
#include "helper/record.hpp"

#include <functional>
#include <memory>
#include <string>

namespace banger::helper {

/// One start, in three steps, so that the ledger knows what runs before it runs: a helper that is killed
/// between them leaves nothing behind that the next one does not find.
class LaunchInProgress {
public:
    virtual ~LaunchInProgress() = default;

    /// 1. Who will become the VMM's guardian; nothing of the VMM has run yet. To be written down.
    virtual ProcessId monitor() const = 0;
    virtual std::string unit() const = 0; ///< of systemd; empty without

    /// 2. Starts it. `known(main)` is called when the VMM's process is there and still held back; to be
    /// written down.
    /// 3. After `known` returned, it is let go; `done` is called once it executes the VMM, or has failed: an
    /// Error that says with the process's own words why. Dropping the LaunchInProgress before `done` kills
    /// what was started.
    virtual void go(std::function<void(const ProcessId& main)> known,
                    std::function<void(Outcome<ProcessId>)> done) = 0;
};

class Launcher {
public:
    virtual ~Launcher() = default;
    /// Throws Error. Descriptors in `spec` are only used until the return.
    virtual std::unique_ptr<LaunchInProgress> prepare(const JailSpec& spec) = 0;
};

/// Starts VMMs as children in sessions of their own. They outlive the helper. Memory and CPU limits need
/// cgroups, which come with a launcher that has systemd; here: no core dumps, 4096 descriptors, and an OOM
/// score that makes the kernel prefer VMMs to the rest of the system.
std::unique_ptr<Launcher> make_child_launcher();

} // namespace banger::helper
