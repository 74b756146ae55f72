#include "vmm/socket_wait.hpp"

#include "base/error.hpp"
#include "base/fd.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>

namespace banger::vmm {

namespace {

using namespace std::chrono_literals;

// A VMM is usually there after 3 ms, so look often at first; one that takes long is not worth many wake-ups.
constexpr auto first_step = 500us;
constexpr auto longest_step = 20ms;

/// Not there yet (ENOENT), or bound and not listening yet (ECONNREFUSED); a full backlog (EAGAIN) is busy,
/// not absent.
bool may_come(int error_number) {
    return error_number == ENOENT || error_number == ECONNREFUSED || error_number == EAGAIN;
}

bool answers(const std::string& path) {
    int error_number = 0;
    if (try_connect_socket_file(path, error_number))
        return true;
    if (!may_come(error_number))
        throw errno_error("connect to " + path, error_number);
    return false;
}

/// Sleeps for `time`, or until the process ended: true then.
bool ended_within(int pidfd, std::chrono::microseconds time) {
    pollfd poll_fd{pidfd, POLLIN, 0};
    const timespec limit{time.count() / 1000000, time.count() % 1000000 * 1000};
    return ::ppoll(&poll_fd, 1, &limit, nullptr) > 0;
}

} // namespace

void wait_for_socket(const std::string& path, std::chrono::steady_clock::time_point deadline,
                     const std::stop_token& stop, int pidfd) {
    std::chrono::microseconds step = first_step;
    while (!answers(path)) {
        if (stop.stop_requested())
            throw Error(ErrorCode::Cancelled, "waiting for the VMM was cancelled");
        if (std::chrono::steady_clock::now() >= deadline)
            throw Error(ErrorCode::Timeout, "the VMM's socket did not appear in time: " + path);
        if (ended_within(pidfd, step))
            throw Error(ErrorCode::Unavailable, "the VMM ended before its socket appeared: " + path);
        step = std::min<std::chrono::microseconds>(step + step / 8, longest_step);
    }
}

} // namespace banger::vmm
