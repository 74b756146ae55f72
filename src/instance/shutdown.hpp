// The orderly end of what runs inside an instance.
#pragma once

#include <vector>

namespace banger::instance {

/// Asks all processes of this PID namespace to end: first all but `services`, so that they still have their
/// buses, then those. Waits a few seconds each time; who does not listen is killed when PID 1 exits.
void end_processes(const std::vector<int>& services) noexcept;

} // namespace banger::instance
