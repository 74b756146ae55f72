#include "daemon/wait.hpp"

#include "base/error.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

namespace banger::daemon {

namespace {

OwnedFd make_event() {
    OwnedFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!fd)
        throw_errno("eventfd");
    return fd;
}

[[noreturn]] void throw_cancelled() {
    throw Error(ErrorCode::Cancelled, "cancelled");
}

} // namespace

void StopEvent::Signal::operator()() const noexcept {
    const uint64_t one = 1;
    if (::write(fd, &one, sizeof one) < 0)
        return; // full: it is readable already
}

StopEvent::StopEvent(const std::stop_token& stop)
    : fd_(make_event())
    , callback_(stop, Signal{fd_.get()}) {}

int milliseconds_until(std::optional<Clock::time_point> end) noexcept {
    if (!end)
        return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*end - Clock::now()).count();
    return static_cast<int>(std::clamp<decltype(left)>(left, 0, 1 << 30));
}

size_t wait_any(std::initializer_list<int> fds, const StopEvent& stop, std::optional<Clock::time_point> end,
                std::string_view what) {
    std::vector<pollfd> polled;
    for (const int fd : fds)
        polled.push_back({fd, POLLIN, 0});
    polled.push_back({stop.fd(), POLLIN, 0});
    for (;;) {
        const int n = ::poll(polled.data(), polled.size(), milliseconds_until(end));
        if (n < 0 && errno != EINTR)
            throw_errno("poll");
        if (n > 0 && polled.back().revents)
            throw_cancelled();
        for (size_t i = 0; n > 0 && i + 1 < polled.size(); ++i)
            if (polled[i].revents)
                return i;
        if (n == 0 && milliseconds_until(end) == 0)
            throw Error(ErrorCode::Timeout, std::string(what) + " took too long");
    }
}

void throw_if_cancelled(const std::stop_token& stop) {
    if (stop.stop_requested())
        throw_cancelled();
}

} // namespace banger::daemon
