// Where a guest's agent tells that it is ready.
#pragma once

#include "base/fd.hpp"

#include <chrono>
#include <stop_token>
#include <string>

namespace banger::daemon {

/// Listens beside the VMM's vsock socket, where hybrid vsock brings the guest's connections to the ready
/// port; gone with the object.
class ReadyListener {
public:
    explicit ReadyListener(const std::string& vsock_socket);
    ReadyListener(const ReadyListener&) = delete;
    ~ReadyListener();

    /// Returns when the agent's ready frame has come. Throws Unavailable when the VMM (`pidfd`) ended first,
    /// Timeout after `limit` (with `late_hint`), Cancelled on a stop.
    void wait(int pidfd, const std::stop_token& stop, std::chrono::milliseconds limit,
              const std::string& late_hint) const;

private:
    std::string path_;
    OwnedFd listener_;
};

} // namespace banger::daemon
