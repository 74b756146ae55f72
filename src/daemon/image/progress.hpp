// How a long operation tells where it is.
#pragma once

#include <functional>
#include <stop_token>
#include <string_view>

namespace banger {

/// Called on the worker's own thread: the step under way, in words, and how much of the whole is done: 0
/// to 1. May be empty.
using Progress = std::function<void(std::string_view step, double fraction)>;

inline void tell(const Progress& progress, std::string_view step, double fraction) {
    if (progress)
        progress(step, fraction);
}

/// Throws Cancelled when a stop was asked for.
void throw_if_stopped(const std::stop_token& stop);

} // namespace banger
