// Frames over a connected stream socket, sent and received blocking, with deadlines.
#pragma once

#include "agent/protocol.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace banger::agent {

using Clock = std::chrono::steady_clock;
/// Empty: no limit.
using Deadline = std::optional<Clock::time_point>;

/// Milliseconds until `deadline` as poll(2) takes them: rounded up, 0 when past, -1 for none.
int poll_timeout(const Deadline& deadline);

/// Does not own the descriptor, which must be a stream socket; whether it is non-blocking does not matter.
/// Failures: Unavailable when the peer is gone, Timeout when the deadline passed, InvalidArgument for a
/// malformed frame.
class FrameStream {
public:
    explicit FrameStream(int fd, Deadline deadline = {})
        : fd_(fd)
        , deadline_(deadline) {}

    void set_deadline(Deadline deadline) { deadline_ = deadline; }
    void send(FrameType type, std::string_view payload = {});
    /// Like send(), but small frames are collected and go out together: with the next send(), flush(), or 64
    /// KiB.
    void send_lazily(FrameType type, std::string_view payload);
    void flush();
    /// The next frame; nothing at the end of the stream.
    std::optional<Frame> receive();
    /// The same, but the end of the stream is an Error too, and an Error frame is thrown as what it reports.
    Frame receive_answer();
    /// Whether a frame, or the stream's end, can be had without waiting.
    bool readable();

    // For event loops, which wait on the descriptor themselves:
    /// The next frame that is there already; nothing when there is none yet, or (then ended() is true) will
    /// be none.
    std::optional<Frame> receive_now();
    bool ended() const noexcept { return ended_; }
    /// Writes what the socket takes of what send_lazily() collected. False when the peer is gone.
    bool flush_now();
    size_t unsent() const noexcept { return collected_.size() - sent_; }
    void queue(FrameType type, std::string_view payload); ///< like send_lazily(), and never writes

private:
    bool fill();
    void wait_for(short events);

    int fd_;
    Deadline deadline_;
    FrameDecoder decoder_;
    std::string collected_;
    size_t sent_ = 0; ///< so much of collected_ is gone
    bool ended_ = false;
    std::optional<Frame> ahead_; ///< what readable() has read already
};

} // namespace banger::agent
