// How a VMM that nobody asked to end has ended: by the guest's last words, and its exit status where the
// kernel tells it.
#pragma once

#include "daemon/vm/vm.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace banger::daemon {

/// The wait(2) status of a process that is not our child, by its pidfd: Linux 6.15 keeps it for those who
/// hold one (PIDFD_GET_INFO). It comes when the parent has reaped, for which `limit` is waited. Nothing on
/// an older kernel.
std::optional<int> exit_status_of(int pidfd, std::chrono::milliseconds limit);

/// What the two together mean. Words win: a guest that said that it goes did go. A VMM that ended well
/// without words is a guest that turned itself off. `console` is the end of its log.
Ending ending_of(std::string_view console, std::optional<int> wait_status);

/// Looks at both; for a worker. `pidfd` -1: not known.
Ending how_it_ended(int pidfd, const std::string& console_path);

/// The guest has halted without ending its VMM, as Firecracker's do that have no power button to press:
/// nothing more is to come. By the very last line, which must be the kernel's own.
bool has_halted(std::string_view console);

} // namespace banger::daemon
