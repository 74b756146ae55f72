// The agent's end of the serial link: all its virtio-serial ports, for one event loop.
#pragma once

#include "agent/link.hpp"
#include "base/fd.hpp"

#include <poll.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace banger::agent {

/// One port. Bytes come from and go to `fd` (a character device, or any stream in tests; non-blocking),
/// framed; the session is behind a socket pair, so that it need not know.
class SerialPort {
public:
    /// Given the session's end of a new socket pair; must serve it without blocking the loop.
    using StartSession = std::function<void(OwnedFd)>;

    /// A port on which the host opens sessions.
    SerialPort(OwnedFd fd, StartSession start);
    /// The port on which the guest opens one session to `host_port`, says `message`, and ends it.
    SerialPort(OwnedFd fd, uint32_t host_port, std::string message);

    void add_poll(std::vector<pollfd>& fds);
    /// Looks at the answers for the descriptors that add_poll() added, from `at` on; moves `at` past them.
    void handle(const std::vector<pollfd>& fds, size_t& at);
    /// The host end is not connected: left out of one round of polling (a port that is hung up is always
    /// ready).
    bool away() const noexcept { return away_; }

private:
    void send_reset();
    void read_port();
    bool read_once();
    void write_port();
    void read_session();
    void write_session();
    void on_frame(const link::Frame& frame);
    void on_open(const link::Frame& frame);
    void on_reset();
    void open_done();
    void drop_session();
    void finish_if_over();
    void go_away();
    void die();

    OwnedFd fd_;
    StartSession start_; ///< empty on the guest's own port
    uint32_t host_port_ = 0;
    std::string message_;
    link::Decoder decoder_;
    std::string out_; ///< for the port
    std::string in_;  ///< for the session
    OwnedFd session_;
    bool open_ = false; ///< a session stands
    bool we_ended_ = false;
    bool they_ended_ = false;
    bool resetting_ = false; ///< we sent Reset, and throw away all until ResetDone
    bool away_ = false;
    bool dead_ = false;
    bool polled_session_ = false;
};

/// The ports that this guest has, found by their names in `classes` (/sys/class/virtio-ports), opened below
/// `devices` (/dev).
class SerialLink {
public:
    SerialLink(SerialPort::StartSession start, uint32_t host_port, std::string message)
        : start_(std::move(start))
        , host_port_(host_port)
        , message_(std::move(message)) {}

    /// Opens ports that are new. The guest's own comes last: its word "ready" covers the others.
    void scan(const std::string& classes = "/sys/class/virtio-ports", const std::string& devices = "/dev");
    void add_poll(std::vector<pollfd>& fds);
    void handle(const std::vector<pollfd>& fds, size_t& at);
    /// How long poll(2) may wait at most: ports whose host end is away are asked again.
    int patience_ms();

private:
    SerialPort::StartSession start_;
    uint32_t host_port_;
    std::string message_;
    std::map<std::string, std::unique_ptr<SerialPort>> ports_; ///< by device name
    int retry_ms_ = 1;
};

} // namespace banger::agent
