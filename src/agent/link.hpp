// The serial link: one session at a time over a virtio-serial port, for hosts without vhost-vsock. What a
// socket gives for free (open, refuse, half-close, abort) is framed here. The agent and banger-qemu are its
// two ends. docs/agent-protocol.md tells the states.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace banger::link {

/// What a frame says. Open carries the port, Data bytes, Refuse may carry a reason; the others carry nothing.
enum class FrameType : uint8_t {
    Open = 1, ///< u32 LE port: the sender wants a session
    Accept,   ///< the session stands
    Refuse,   ///< nobody listens there, or no more sessions
    Data,     ///< bytes of the session
    End,      ///< the sender will send no more data: half-close
    Reset, ///< abort, or "I am new here"; the peer answers ResetDone, the sender throws away all until then
    ResetDone,
};

inline constexpr size_t header_size = 4;
inline constexpr size_t max_payload = 32768;
/// What encode_data() puts into one frame: with its header it is one write to a virtio-serial port, which
/// takes 32 KiB at a time (drivers/char/virtio_console.c).
inline constexpr size_t data_chunk = max_payload - header_size;

/// The names of the virtio-serial ports: host-initiated sessions (a number follows), and the guest-initiated
/// one.
inline constexpr std::string_view session_port_prefix = "org.banger.session.";
inline constexpr std::string_view host_port_name = "org.banger.host";

struct Frame {
    FrameType type;
    std::string payload;
};

/// One frame as bytes: u8 type, u8 zero, u16 LE length, payload. A payload over max_payload is an
/// Error{Internal}.
std::string encode(FrameType type, std::string_view payload = {});
/// An Open frame for `port`.
std::string encode_open(uint32_t port);
/// The port of an Open frame (next() has checked its size).
uint32_t open_port(const Frame& frame);
/// `bytes`, however many, as Data frames one after the other.
std::string encode_data(std::string_view bytes);

/// Cuts a byte stream into frames.
class Decoder {
public:
    void feed(std::string_view bytes);
    /// The next whole frame, or nothing yet. Throws Error{InvalidArgument} on a malformed one (unknown type,
    /// second byte not zero, length out of its type's bounds); the stream is then lost, and all further calls
    /// throw until clear().
    std::optional<Frame> next();
    /// Forgets what was fed: the stream begins anew.
    void clear() noexcept;

private:
    std::string buffer_;
    size_t start_ = 0; ///< where in buffer_ the next frame begins
};

} // namespace banger::link
