// One virtio-serial port as a place for one stream at a time, framed as src/agent/link.hpp has it. This is
// the host's end: the port's descriptor leads to QEMU, the client's to whoever talks with the guest.
#pragma once

#include "agent/link.hpp"
#include "base/fd.hpp"
#include "base/loop.hpp"
#include "qemu/byte_queue.hpp"
#include "qemu/io_watch.hpp"

#include <cstdint>
#include <functional>
#include <list>
#include <string>

namespace banger::qemu {

class SerialPort {
public:
    enum class State {
        Down,      ///< the guest did not open its end yet (it begins with Reset)
        Idle,      ///< free for the next stream
        Opening,   ///< the guest was asked, and did not answer yet
        Open,      ///< a stream stands
        Resetting, ///< a stream was broken off; all is thrown away until the guest says that it knows
        Dead,      ///< the guest spoke nonsense, or QEMU closed the port: never used again
    };
    struct Events {
        /// The port became free, or dead.
        std::function<void()> on_free;
        /// The guest asks for a stream to the host's `port`: a non-blocking socket to whoever takes it, or
        /// nothing.
        std::function<OwnedFd(uint32_t port)> on_guest_open;
    };
    /// How long the guest may take to answer an Open; and, after the client has gone altogether, to end its
    /// half.
    struct Patience {
        std::chrono::milliseconds open{10000};
        std::chrono::milliseconds linger{2000}; ///< as Firecracker's
    };

    /// `fd` is a connected, stream-like socket.
    SerialPort(OwnedFd fd, Events events, Patience patience);
    SerialPort(OwnedFd fd, Events events)
        : SerialPort(std::move(fd), std::move(events), Patience()) {}
    SerialPort(const SerialPort&) = delete;
    SerialPort& operator=(const SerialPort&) = delete;

    State state() const { return state_; }
    /// Takes an Idle port: asks the guest for `port`. When it accepts, the client is told `greeting` and the
    /// stream stands; when it refuses, the client is closed. What the client sends does not wait for the
    /// answer. `client` is non-blocking.
    void open(OwnedFd client, uint32_t port, std::string greeting);

private:
    // port ↔ QEMU
    void on_port(GIOCondition conditions);
    bool read_port();
    void take_frames();
    void take(const link::Frame& frame);
    void take_while_idle(const link::Frame& frame);
    void take_while_opening(const link::Frame& frame);
    void take_while_open(const link::Frame& frame);
    void send(link::FrameType type);
    void die();

    // client
    void on_client(GIOCondition conditions);
    void read_client();
    void flush_client();
    void attach_client(OwnedFd client);
    void guest_reset();
    void abort();
    void client_hung_up();
    void finish_when_both_ended();
    void leave_over();
    void become_free(State state);
    void update_wants();

    OwnedFd fd_;
    Events events_;
    Patience patience_;
    State state_ = State::Down;
    link::Decoder decoder_;
    ByteQueue to_guest_;
    OwnedFd client_;
    ByteQueue to_client_;
    std::string greeting_;
    bool client_ended_ = false;   ///< it will send no more; End went to the guest
    bool client_hung_up_ = false; ///< nobody reads at its end any more
    bool guest_ended_ = false;
    bool told_client_ = false; ///< that the guest has ended
    bool sent_ahead_ = false;  ///< something followed the Open before the guest's answer
    Timer patience_timer_;
    IoWatch port_watch_;
    IoWatch client_watch_;

    /// The last bytes of streams that have ended, for clients that are slow to take them.
    struct Leftover {
        OwnedFd client;
        ByteQueue bytes;
        IoWatch watch;
    };
    std::list<Leftover> leftovers_;
};

} // namespace banger::qemu
