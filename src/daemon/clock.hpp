// The time of day, as the bus has it.
#pragma once

#include <chrono>
#include <cstdint>

namespace banger::daemon {

/// µs since the Unix epoch.
inline uint64_t now_microseconds() {
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                     std::chrono::system_clock::now().time_since_epoch())
                                     .count());
}

} // namespace banger::daemon
