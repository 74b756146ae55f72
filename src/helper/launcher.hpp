// How a VMM is started and ended. Behind an interface: as a unit of systemd's, or as a child where there is
// no systemd.
#pragma once

#include "base/loop.hpp"
#include "bus/compat.hpp"
#include "helper/jail.hpp"
#include "helper/record.hpp"

#include <functional>
#include <memory>
#include <string>

namespace banger::helper {

/// What is told while a VMM starts, in this order, so that the ledger knows what runs before it runs: a
/// helper that is killed between them leaves nothing behind that the next one does not find.
struct LaunchEvents {
    /// Who will become the VMM's guardian; nothing of the VMM has run yet. To be written down.
    std::function<void(const ProcessId& monitor)> held;
    /// The VMM's process is there and still held back. To be written down.
    std::function<void(const ProcessId& main)> known;
    /// It executes the VMM, or has failed: an Error that says with the process's own words why. The last.
    std::function<void(Outcome<ProcessId>)> done;
};

/// One start. Dropping it before `done` kills what was started.
class LaunchInProgress {
public:
    virtual ~LaunchInProgress() = default;
    virtual std::string unit() const = 0; ///< of systemd; empty without
    /// Starts it. Events come in the loop; all of them may come before this returns, but for `done`.
    virtual void go(LaunchEvents events) = 0;
};

class Launcher {
public:
    virtual ~Launcher() = default;
    /// Firecracker's jailer is root for a moment: it takes units to hold it.
    virtual bool starts_jailers() const noexcept = 0;
    /// Throws Error. Descriptors in `spec` are only used until the return.
    virtual std::unique_ptr<LaunchInProgress> prepare(const JailSpec& spec) = 0;
    /// Kills all that was started for the VM and what came of it, whatever the record knows of it, and waits
    /// for the end. Throws Timeout. Blocks; for any thread, also of a worker that outlives the launcher.
    using Sweep = void (*)(const VmRecord& record);
    virtual Sweep sweep() const = 0;
};

/// Starts VMMs as children in sessions of their own. They outlive the helper. Memory and CPU limits need
/// control groups, which come with systemd; here: no core dumps, 4096 descriptors, and an OOM score that
/// makes the kernel prefer VMMs to the rest of the system.
std::unique_ptr<Launcher> make_child_launcher();
/// Starts VMMs as transient units of the systemd that is on this connection's bus.
std::unique_ptr<Launcher> make_unit_launcher(sdbus::IConnection& connection);
/// The second where the host was booted with systemd (sd_booted(3)), else the first.
std::unique_ptr<Launcher> make_launcher(sdbus::IConnection& connection);

} // namespace banger::helper
