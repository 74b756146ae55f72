#include "daemon/vm/ready.hpp"

#include "agent/client.hpp"
#include "base/log.hpp"
#include "daemon/wait.hpp"

#include <sys/socket.h>
#include <unistd.h>

namespace banger::daemon {

namespace {

/// The frame is small and the guest has it at hand; a guest that connects and keeps silent is not waited for
/// long.
constexpr std::chrono::seconds frame_limit{3};

/// Waits for `fd`; the VMM's end is an Error.
void wait_or_end(int fd, int pidfd, const StopEvent& stop, Clock::time_point end) {
    if (wait_any({fd, pidfd}, stop, end, "the guest's start") == 1)
        throw Error(ErrorCode::Unavailable, "the VMM ended before the guest was ready",
                    "the guest's console, above, may tell why");
}

} // namespace

ReadyListener::ReadyListener(const std::string& vsock_socket)
    : path_(vsock_socket + "_" + std::to_string(agent::ready_port))
    , listener_(listen_unix(path_, 4)) {}

ReadyListener::~ReadyListener() {
    ::unlink(path_.c_str());
}

void ReadyListener::wait(int pidfd, const std::stop_token& stop_token, std::chrono::milliseconds limit,
                         const std::string& late_hint) const {
    const StopEvent stop(stop_token);
    const auto end = Clock::now() + limit;
    try {
        wait_or_end(listener_.get(), pidfd, stop, end);
        const OwnedFd guest(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!guest)
            throw_errno("accept the guest's connection");
        wait_or_end(guest.get(), pidfd, stop, end);
        const auto info = agent::receive_ready(guest.get(), std::min(end, Clock::now() + frame_limit));
        log::debug("guest ready: agent " + info.agent + ", kernel " + info.kernel + ", after " +
                   std::to_string(info.ready_ms) + " ms of its own");
    } catch (const Error& error) {
        if (error.code() != ErrorCode::Timeout)
            throw;
        throw Error(ErrorCode::Timeout,
                    "the guest was not ready within " + std::to_string(limit.count()) + " ms", late_hint);
    }
}

} // namespace banger::daemon
