// Cancelling a blocking session: its socket is shut down, and what fails then counts as cancelled. Internal
// to src/agent.
#pragma once

#include "base/error.hpp"

#include <sys/socket.h>

#include <stop_token>
#include <utility>

namespace banger::agent {

template <class Function>
auto cancellable(int fd, const std::stop_token& stop, Function&& function) {
    const std::stop_callback on_stop(stop, [fd] { ::shutdown(fd, SHUT_RDWR); });
    try {
        return std::forward<Function>(function)();
    } catch (const Error&) {
        if (stop.stop_requested())
            throw Error(ErrorCode::Cancelled, "cancelled");
        throw;
    }
}

} // namespace banger::agent
