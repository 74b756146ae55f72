// Hybrid vsock over a set of virtio-serial ports.
#pragma once

#include "qemu/hybrid.hpp"
#include "qemu/serial_port.hpp"

#include <list>
#include <memory>
#include <vector>

namespace banger::qemu {

/// Gives each client of the listener a session port, or a place in a queue while all are taken.
class SerialVsock {
public:
    struct Limits {
        size_t queue = 64; ///< more clients than that are turned away
        /// How long a client waits for a guest of which no port is up. While the guest is up, it waits as
        /// long as it likes.
        std::chrono::milliseconds guest_absent{2000};
        SerialPort::Patience patience{};
    };

    /// `host_port` and `session_ports`: the host's ends, connected sockets. The listener outlives this.
    SerialVsock(HybridListener& listener, OwnedFd host_port, std::vector<OwnedFd> session_ports,
                Limits limits);
    SerialVsock(HybridListener& listener, OwnedFd host_port, std::vector<OwnedFd> session_ports)
        : SerialVsock(listener, std::move(host_port), std::move(session_ports), Limits()) {}

    size_t waiting() const { return waiting_.size(); }

private:
    struct Waiter {
        OwnedFd client;
        uint32_t port;
        IoWatch watch; ///< for its leaving
        Timer timer;
    };
    using Waiters = std::list<Waiter>;

    void connect(OwnedFd client, uint32_t port);
    void enqueue(OwnedFd client, uint32_t port);
    void serve_waiters();
    SerialPort* free_port();
    bool guest_is_up() const;

    HybridListener& listener_;
    Limits limits_;
    std::unique_ptr<SerialPort> host_port_;
    std::vector<std::unique_ptr<SerialPort>> ports_;
    Waiters waiting_;
};

} // namespace banger::qemu
