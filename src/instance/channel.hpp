// The talk between `instance start` and the supervisor that it made: short packets on a socket pair. When the
// start dies, the supervisor sees the end of it, and gives up.
#pragma once

#include "base/error.hpp"
#include "base/fd.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace banger::instance {

class Channel {
public:
    explicit Channel(OwnedFd fd)
        : fd_(std::move(fd)) {}
    static std::pair<Channel, Channel> make_pair();

    int fd() const noexcept { return fd_.get(); }
    void send(std::string_view packet);
    /// Throws Timeout, and Unavailable when the other side is gone.
    std::string receive(int timeout_ms);
    /// Waits until the other side ends, as it does at a successful exec; empty then, or the error that it
    /// sent before.
    std::optional<Error> receive_failure();
    /// Sends an Error; the other side's receive() throws it again.
    void send_error(const Error& error) noexcept;
    void close() noexcept { fd_.reset(); }

private:
    OwnedFd fd_;
};

} // namespace banger::instance
