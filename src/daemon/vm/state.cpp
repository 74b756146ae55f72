#include "daemon/vm/state.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace banger::daemon {

namespace {

constexpr std::array<std::string_view, 8> state_names{"created",  "starting", "running", "paused",
                                                      "stopping", "stopped",  "failed",  "deleting"};

constexpr std::array<std::string_view, 14> event_names{
    "start",        "ready",       "start-failed",     "start-cancelled", "pause", "resume",
    "stop",         "stop-failed", "stop-failed-held", "ended",           "lost",  "found",
    "found-paused", "delete"};

using S = VmState;
using E = VmEvent;

constexpr Transition table[] = {
    {S::Created, E::Start, S::Starting},
    {S::Stopped, E::Start, S::Starting},
    {S::Failed, E::Start, S::Starting},

    {S::Starting, E::Ready, S::Running},
    {S::Starting, E::StartFailed, S::Failed},
    {S::Starting, E::StartCancelled, S::Stopped},

    {S::Running, E::Pause, S::Paused},
    {S::Paused, E::Resume, S::Running},

    {S::Running, E::Stop, S::Stopping},
    {S::Paused, E::Stop, S::Stopping},
    {S::Stopping, E::Ended, S::Stopped},
    {S::Stopping, E::StopFailed, S::Running},
    {S::Stopping, E::StopFailedHeld, S::Paused},

    {S::Running, E::Ended, S::Stopped},
    {S::Paused, E::Ended, S::Stopped},

    // A new daemon looks at what the last one wrote. A start or a stop that was under way is not taken up
    // again; a stop that comes before the look is done goes on from any of the four.
    {S::Starting, E::Stop, S::Stopping},
    {S::Stopping, E::Stop, S::Stopping},
    {S::Starting, E::Lost, S::Failed},
    {S::Running, E::Lost, S::Stopped},
    {S::Paused, E::Lost, S::Stopped},
    {S::Stopping, E::Lost, S::Stopped},
    {S::Running, E::Found, S::Running},
    {S::Paused, E::Found, S::Running},
    {S::Running, E::FoundPaused, S::Paused},
    {S::Paused, E::FoundPaused, S::Paused},

    {S::Created, E::Delete, S::Deleting},
    {S::Starting, E::Delete, S::Deleting},
    {S::Running, E::Delete, S::Deleting},
    {S::Paused, E::Delete, S::Deleting},
    {S::Stopping, E::Delete, S::Deleting},
    {S::Stopped, E::Delete, S::Deleting},
    {S::Failed, E::Delete, S::Deleting},
};

} // namespace

std::span<const Transition> transitions() noexcept {
    return table;
}

std::optional<VmState> next_state(VmState from, VmEvent event) noexcept {
    const auto* const found = std::find_if(std::begin(table), std::end(table), [&](const Transition& one) {
        return one.from == from && one.event == event;
    });
    return found == std::end(table) ? std::nullopt : std::optional(found->to);
}

std::string_view vm_state_name(VmState state) noexcept {
    return state_names[static_cast<size_t>(state)];
}

std::optional<VmState> find_vm_state(std::string_view name) noexcept {
    const auto* const found = std::find(state_names.begin(), state_names.end(), name);
    if (found == state_names.end())
        return std::nullopt;
    return static_cast<VmState>(found - state_names.begin());
}

VmState vm_state_named(std::string_view name) {
    if (const auto state = find_vm_state(name))
        return *state;
    throw Error(ErrorCode::Internal, "not a VM state: " + std::string(name.substr(0, 64)));
}

std::string_view vm_event_name(VmEvent event) noexcept {
    return event_names[static_cast<size_t>(event)];
}

bool is_active(VmState state) noexcept {
    return state == VmState::Starting || state == VmState::Running || state == VmState::Paused ||
           state == VmState::Stopping;
}

} // namespace banger::daemon
