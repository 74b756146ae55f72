// The states of a VM, and the one table of what leads from which to which. docs/vm-life.md shows the same
// table; a unit test compares the two.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace banger::daemon {

/// The order is that of the names in state.cpp.
enum class VmState { Created, Starting, Running, Paused, Stopping, Stopped, Failed, Deleting };

/// What happens to a VM. The order is that of the names in state.cpp.
enum class VmEvent {
    Start,          ///< a start begins
    Ready,          ///< its guest has said that it is ready
    StartFailed,    ///< a step of it failed; all of it is taken back
    StartCancelled, ///< somebody did not want it any more; likewise
    Pause,          ///< the VMM holds the guest's CPUs
    Resume,         ///< they run again
    Stop,           ///< somebody ends it
    StopFailed,     ///< the VMM could not be ended
    StopFailedHeld, ///< likewise, and its CPUs are held as before
    Ended,          ///< there is no VMM any more, and this daemon saw it end
    Lost,           ///< there is none any more, and nobody saw it end
    Found,          ///< a new daemon found it running
    FoundPaused,    ///< a new daemon found it paused
    Delete,         ///< it is to go, with its disk
};

struct Transition {
    VmState from;
    VmEvent event;
    VmState to;
};

/// All that may happen; what is not there may not.
std::span<const Transition> transitions() noexcept;
/// Where the event leads; nothing where it may not happen.
std::optional<VmState> next_state(VmState from, VmEvent event) noexcept;

/// "running", as org.banger.Vm1.State has it.
std::string_view vm_state_name(VmState state) noexcept;
/// Throws Internal for a name that is none (a database of another hand).
VmState vm_state_named(std::string_view name);
/// The same, for a name that a caller gave.
std::optional<VmState> find_vm_state(std::string_view name) noexcept;
/// "start-failed".
std::string_view vm_event_name(VmEvent event) noexcept;

/// There is, or may be, a VMM: Starting, Running, Paused, Stopping.
bool is_active(VmState state) noexcept;

} // namespace banger::daemon
