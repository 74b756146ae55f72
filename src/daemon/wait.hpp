// Waiting for several things at once on a worker thread: descriptors, a stop request, a time limit. No
// polling.
#pragma once

#include "base/fd.hpp"

#include <chrono>
#include <functional>
#include <initializer_list>
#include <optional>
#include <stop_token>
#include <string_view>

namespace banger::daemon {

using Clock = std::chrono::steady_clock;

/// A descriptor that becomes readable when a stop is asked for.
class StopEvent {
public:
    explicit StopEvent(const std::stop_token& stop);
    StopEvent(const StopEvent&) = delete;
    int fd() const noexcept { return fd_.get(); }

private:
    struct Signal {
        int fd;
        void operator()() const noexcept;
    };
    OwnedFd fd_;
    std::stop_callback<Signal> callback_; ///< after fd_: it may fire while being made
};

/// Milliseconds until `end`, for poll(2): at least 0; no end: -1.
int milliseconds_until(std::optional<Clock::time_point> end) noexcept;

/// Waits until one of `fds` is readable or hung up, and returns its index (the first of several). Throws
/// Cancelled on a stop, Timeout at `end` with `what` in its text. Descriptors of -1 are never ready.
size_t wait_any(std::initializer_list<int> fds, const StopEvent& stop, std::optional<Clock::time_point> end,
                std::string_view what);

/// Throws Cancelled when a stop was asked for.
void throw_if_cancelled(const std::stop_token& stop);

} // namespace banger::daemon
