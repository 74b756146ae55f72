// Reading property values without trust: a missing one, or one of another type, is the default.
#pragma once

#include "bus/compat.hpp"
#include "cli/output.hpp"

#include <cstdint>
#include <string>

namespace banger::cli {

template <class T>
T property(const bus::Variants& properties, const char* name) {
    const auto found = properties.find(name);
    return found != properties.end() && found->second.containsValueOfType<T>() ? found->second.get<T>() : T{};
}

/// µs since the epoch: RFC 3339 in UTC, or null for 0.
Json time_json(uint64_t unix_us);
/// From one time to a later one, in µs: "a moment", "42 seconds", "1 minute", "3 weeks".
std::string span(uint64_t from_us, uint64_t to_us);
/// "3 minutes ago"; nothing for 0.
std::string age(uint64_t unix_us, uint64_t now);
/// CLOCK_REALTIME in µs.
uint64_t unix_now();

} // namespace banger::cli
