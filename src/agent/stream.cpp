#include "agent/stream.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <climits>

namespace banger::agent {

namespace {

[[noreturn]] void peer_gone() {
    throw Error(ErrorCode::Unavailable, "the connection between host and guest ended");
}

} // namespace

int poll_timeout(const Deadline& deadline) {
    if (!deadline)
        return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now()).count();
    return left <= 0 ? 0 : static_cast<int>(std::min<long long>(left, INT_MAX));
}

void FrameStream::wait_for(short events) {
    pollfd fd{fd_, events, 0};
    for (;;) {
        const int n = ::poll(&fd, 1, poll_timeout(deadline_));
        if (n > 0)
            return;
        if (n == 0)
            throw Error(ErrorCode::Timeout, "the guest's agent did not answer in time");
        if (errno != EINTR)
            throw_errno("poll");
    }
}

void FrameStream::queue(FrameType type, std::string_view payload) {
    if (sent_ > 0 && sent_ >= collected_.size() / 2) {
        collected_.erase(0, sent_);
        sent_ = 0;
    }
    collected_ += frame_header(type, payload.size());
    collected_ += payload;
}

bool FrameStream::flush_now() {
    while (unsent() > 0) {
        const auto n = ::send(fd_, collected_.data() + sent_, unsent(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0)
            sent_ += static_cast<size_t>(n);
        else if (errno == EAGAIN)
            return true;
        else if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
            return false;
        else if (errno != EINTR)
            throw_errno("write to the stream between host and guest");
    }
    collected_.clear();
    sent_ = 0;
    return true;
}

void FrameStream::flush() {
    for (;;) {
        if (!flush_now())
            peer_gone();
        if (unsent() == 0)
            return;
        wait_for(POLLOUT);
    }
}

void FrameStream::send_lazily(FrameType type, std::string_view payload) {
    queue(type, payload);
    if (collected_.size() >= max_payload)
        flush();
}

void FrameStream::send(FrameType type, std::string_view payload) {
    queue(type, payload);
    flush();
}

/// Reads once, without waiting. False when there was nothing to read yet.
bool FrameStream::fill() {
    std::array<char, 65536> buffer;
    for (;;) {
        const auto n = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (n > 0)
            decoder_.feed({buffer.data(), static_cast<size_t>(n)});
        else if (n == 0 || errno == ECONNRESET || errno == ENOTCONN)
            ended_ = true;
        else if (errno == EINTR)
            continue;
        else if (errno == EAGAIN)
            return false;
        else
            throw_errno("read from the stream between host and guest");
        return true;
    }
}

std::optional<Frame> FrameStream::receive_now() {
    if (ahead_)
        return std::exchange(ahead_, std::nullopt);
    for (;;) {
        if (auto frame = decoder_.next())
            return frame;
        if (ended_ || !fill())
            return std::nullopt;
    }
}

std::optional<Frame> FrameStream::receive() {
    for (;;) {
        if (auto frame = receive_now())
            return frame;
        if (ended_ && decoder_.in_frame())
            peer_gone();
        if (ended_)
            return std::nullopt;
        wait_for(POLLIN);
    }
}

Frame FrameStream::receive_answer() {
    auto frame = receive();
    if (!frame)
        peer_gone();
    if (frame->type == FrameType::Error)
        throw parse_error(frame->payload);
    return std::move(*frame);
}

bool FrameStream::readable() {
    if (!ahead_)
        ahead_ = receive_now();
    return ahead_ || ended_;
}

} // namespace banger::agent
