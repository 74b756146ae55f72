#include "qemu/serial_port.hpp"

#include "base/error.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace banger::qemu {

namespace {

// Beyond this, the source is no longer read: the other side has to catch up first.
constexpr size_t high_water = 256 * 1024;
constexpr size_t most_leftovers = 16;

bool has(GIOCondition conditions, int which) {
    return (conditions & which) != 0;
}

} // namespace

SerialPort::SerialPort(OwnedFd fd, Events events, Patience patience)
    : fd_(std::move(fd))
    , events_(std::move(events))
    , patience_(patience)
    , port_watch_(fd_.get(), [this](GIOCondition conditions) { on_port(conditions); }) {
    update_wants();
}

void SerialPort::open(OwnedFd client, uint32_t port, std::string greeting) {
    attach_client(std::move(client));
    greeting_ = std::move(greeting);
    state_ = State::Opening;
    to_guest_.push(link::encode_open(port));
    patience_timer_ = Timer(patience_.open, [this] {
        abort();
        return false;
    });
    update_wants();
}

void SerialPort::attach_client(OwnedFd client) {
    client_ = std::move(client);
    client_ended_ = client_hung_up_ = guest_ended_ = told_client_ = sent_ahead_ = false;
    client_watch_ = IoWatch(client_.get(), [this](GIOCondition conditions) { on_client(conditions); });
}

void SerialPort::on_port(GIOCondition conditions) {
    if (has(conditions, G_IO_IN) && !read_port())
        return die();
    if (!to_guest_.send_to(fd_.get()))
        return die();
    if (!has(conditions, G_IO_IN) && has(conditions, G_IO_HUP | G_IO_ERR))
        return die();
    update_wants();
}

/// False when QEMU closed the port or the guest spoke nonsense.
bool SerialPort::read_port() {
    std::array<char, 65536> buffer;
    const auto n = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    try {
        decoder_.feed({buffer.data(), static_cast<size_t>(n)});
        take_frames();
        return true;
    } catch (const Error&) {
        return false;
    }
}

void SerialPort::take_frames() {
    while (const auto frame = decoder_.next())
        take(*frame);
    if (client_)
        flush_client();
}

void SerialPort::take(const link::Frame& frame) {
    if (frame.type == link::FrameType::Reset)
        return guest_reset();
    switch (state_) {
    case State::Idle:
        return take_while_idle(frame);
    case State::Opening:
        return take_while_opening(frame);
    case State::Open:
        return take_while_open(frame);
    case State::Resetting:
        if (frame.type == link::FrameType::ResetDone)
            become_free(State::Idle);
        return;
    case State::Down: // before its first Reset, and after the last: what a former owner of the port left
                      // behind
    case State::Dead:
        return;
    }
}

void SerialPort::take_while_idle(const link::Frame& frame) {
    // All else is late: frames that crossed our End, or an answer to a Reset that crossed the guest's.
    if (frame.type != link::FrameType::Open)
        return;
    auto host = events_.on_guest_open ? events_.on_guest_open(link::open_port(frame)) : OwnedFd();
    if (!host)
        return send(link::FrameType::Refuse);
    attach_client(std::move(host));
    state_ = State::Open;
    send(link::FrameType::Accept);
}

void SerialPort::take_while_opening(const link::Frame& frame) {
    if (frame.type == link::FrameType::Refuse) {
        // What was sent ahead has no stream to belong to: only a Reset makes the guest forget it.
        sent_ahead_ ? abort() : become_free(State::Idle);
    } else if (frame.type == link::FrameType::Accept) {
        patience_timer_.cancel();
        state_ = State::Open;
        to_client_.push(greeting_);
    }
}

void SerialPort::take_while_open(const link::Frame& frame) {
    if (frame.type == link::FrameType::Data && !guest_ended_) {
        if (client_hung_up_)
            return abort();
        to_client_.push(frame.payload);
    } else if (frame.type == link::FrameType::End) {
        guest_ended_ = true;
        flush_client(); // at once: the next frame may belong to the next stream
    }
}

/// The guest broke off, or has just come up. Where a Reset of ours crosses it, both are done: what either
/// side sends after answering is new, and a ResetDone that comes late is ignored.
void SerialPort::guest_reset() {
    send(link::FrameType::ResetDone);
    become_free(State::Idle);
}

void SerialPort::send(link::FrameType type) {
    to_guest_.push(link::encode(type));
}

/// Breaks the stream off on both sides.
void SerialPort::abort() {
    if (state_ != State::Opening && state_ != State::Open)
        return;
    send(link::FrameType::Reset);
    become_free(State::Resetting);
    update_wants();
}

void SerialPort::die() {
    port_watch_.cancel();
    become_free(State::Dead);
}

void SerialPort::become_free(State state) {
    const bool was_free = state_ == State::Idle;
    state_ = state;
    patience_timer_.cancel();
    client_watch_.cancel();
    client_.reset();
    to_client_.clear();
    if (state != State::Resetting && !was_free && events_.on_free)
        events_.on_free();
}

void SerialPort::on_client(GIOCondition conditions) {
    if (has(conditions, G_IO_ERR))
        return abort();
    // One that has left before the guest answered has nothing to say to it any more.
    const bool left = state_ == State::Opening && has(conditions, G_IO_HUP);
    if (has(conditions, G_IO_IN) && !left)
        read_client();
    else if (has(conditions, G_IO_HUP))
        client_hung_up();
    if (client_ && has(conditions, G_IO_OUT))
        flush_client();
    finish_when_both_ended();
    update_wants();
}

/// The client has closed its socket, not only shut it down for writing (unix(7): a hang-up is when both
/// directions are).
void SerialPort::client_hung_up() {
    if (state_ == State::Opening || (state_ == State::Open && !to_client_.empty()))
        return abort();
    if (client_hung_up_)
        return;
    client_hung_up_ = true;
    // What it sent before may still be unread, for want of room towards the guest; the guest shall have that,
    // and a moment to end its half.
    if (client_ended_)
        patience_timer_ = Timer(patience_.linger, [this] {
            abort();
            return false;
        });
}

void SerialPort::read_client() {
    std::array<char, link::max_payload> buffer;
    const auto n = ::recv(client_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0)
        return abort();
    sent_ahead_ = sent_ahead_ || state_ == State::Opening;
    if (n > 0) {
        to_guest_.push(link::encode(link::FrameType::Data, {buffer.data(), static_cast<size_t>(n)}));
    } else {
        client_ended_ = true;
        client_hung_up_ = false; // to be told once more, now that all was read
        send(link::FrameType::End);
    }
    if (!to_guest_.send_to(fd_.get()))
        die();
}

void SerialPort::flush_client() {
    if (!to_client_.send_to(client_.get()))
        return abort();
    if (guest_ended_ && to_client_.empty() && !told_client_) {
        told_client_ = true;
        ::shutdown(client_.get(), SHUT_WR);
    }
    finish_when_both_ended();
}

/// Both have said End: the port is free, even where the client has yet to take its last bytes.
void SerialPort::finish_when_both_ended() {
    if (state_ != State::Open || !client_ended_ || !guest_ended_)
        return;
    if (!to_client_.empty() && !client_hung_up_)
        leave_over();
    become_free(State::Idle);
}

void SerialPort::leave_over() {
    if (leftovers_.size() == most_leftovers)
        leftovers_.pop_front();
    client_watch_.cancel();
    const auto left =
        leftovers_.insert(leftovers_.end(), {std::move(client_), std::exchange(to_client_, {}), {}});
    left->watch = IoWatch(left->client.get(), [this, left](GIOCondition conditions) {
        const bool lost = has(conditions, G_IO_ERR) || !left->bytes.send_to(left->client.get());
        if (lost || left->bytes.empty())
            leftovers_.erase(left);
    });
    left->watch.want(false, true);
}

void SerialPort::update_wants() {
    if (state_ == State::Dead)
        return;
    // A client fills to_guest_ up to the mark and a little more. What goes twice beyond are answers that the
    // guest asks for without taking them: it is not heard before it does.
    const bool takes_answers = to_guest_.size() < 2 * high_water;
    port_watch_.want(to_client_.size() < high_water && takes_answers, !to_guest_.empty());
    if (!client_)
        return;
    // While it is asked, too: what a client sends ahead of the guest's answer follows the Open at once.
    const bool standing = state_ == State::Open || state_ == State::Opening;
    const bool read = standing && !client_ended_ && to_guest_.size() < high_water;
    const bool write = !to_client_.empty();
    if (!read && !write && client_hung_up_)
        client_watch_.ignore(); // or its hang-up would be told for ever
    else
        client_watch_.want(read, write);
}

} // namespace banger::qemu
