#include "agent/serial.hpp"

#include "agent/console.hpp"
#include "agent/protocol.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace banger::agent {

namespace {

constexpr size_t most_buffered = 256 * 1024;
constexpr size_t one_write = 32768; // what a virtio-serial port takes at once (drivers/char/virtio_console.c)
constexpr int longest_retry_ms = 100;
constexpr int reads_in_a_row = 8;

} // namespace

SerialPort::SerialPort(OwnedFd fd, StartSession start)
    : fd_(std::move(fd))
    , start_(std::move(start)) {
    send_reset();
}

SerialPort::SerialPort(OwnedFd fd, uint32_t host_port, std::string message)
    : fd_(std::move(fd))
    , host_port_(host_port)
    , message_(std::move(message)) {
    send_reset();
}

void SerialPort::send_reset() {
    drop_session();
    out_ += link::encode(link::FrameType::Reset);
    resetting_ = true;
}

void SerialPort::add_poll(std::vector<pollfd>& fds) {
    const bool reading = in_.size() < most_buffered;
    const auto port_events = static_cast<short>((reading ? POLLIN : 0) | (out_.empty() ? 0 : POLLOUT));
    fds.push_back({away_ || dead_ ? -1 : fd_.get(), port_events, 0});
    const bool listening = !we_ended_ && out_.size() < most_buffered;
    const auto session_events = static_cast<short>((listening ? POLLIN : 0) | (in_.empty() ? 0 : POLLOUT));
    // Without events of interest the descriptor is left out: a hung-up one would wake the loop for ever.
    polled_session_ = session_ && session_events != 0;
    fds.push_back({polled_session_ ? session_.get() : -1, session_events, 0});
}

void SerialPort::handle(const std::vector<pollfd>& fds, size_t& at) {
    const auto port = fds.at(at++).revents;
    const auto session = fds.at(at++).revents;
    if (dead_)
        return;
    if (std::exchange(away_, false))
        return; // it was left out of this round, and is asked again in the next
    if (port & POLLIN)
        read_port();
    else if (port & (POLLHUP | POLLERR))
        go_away();
    if (polled_session_ && (session & (POLLIN | POLLHUP | POLLERR)) && session_)
        read_session();
    if (!in_.empty())
        write_session();
    if (!out_.empty() && !away_)
        write_port();
}

/// All that has come, before any of it goes to the session: a Reset behind an Open and a request means that
/// the request is no longer wanted.
void SerialPort::read_port() {
    for (int i = 0; i < reads_in_a_row && !away_ && !dead_; i++)
        if (!read_once())
            return;
}

/// Whether there may be more.
bool SerialPort::read_once() {
    std::array<char, 65536> buffer;
    const auto n = ::read(fd_.get(), buffer.data(), buffer.size());
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        go_away(); // a read gives 0 while the host end is not connected
        return false;
    }
    try {
        decoder_.feed({buffer.data(), static_cast<size_t>(n)});
        while (auto frame = decoder_.next())
            on_frame(*frame);
    } catch (const Error& error) {
        say(error.message());
        die();
    }
    return true;
}

void SerialPort::write_port() {
    size_t done = 0;
    while (done < out_.size()) {
        const auto n = ::write(fd_.get(), out_.data() + done, std::min(one_write, out_.size() - done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += static_cast<size_t>(n);
    }
    out_.erase(0, done);
}

void SerialPort::read_session() {
    std::array<char, 65536> buffer;
    const auto n = ::recv(session_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        out_ += link::encode_data({buffer.data(), static_cast<size_t>(n)});
        return;
    }
    out_ += link::encode(link::FrameType::End);
    we_ended_ = true;
    finish_if_over();
}

void SerialPort::write_session() {
    if (session_) {
        const auto n = ::send(session_.get(), in_.data(), in_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        in_.erase(0, n < 0 ? in_.size() : static_cast<size_t>(n)); // a session that is gone needs no more
    }
    finish_if_over();
}

void SerialPort::on_frame(const link::Frame& frame) {
    using link::FrameType;
    if (frame.type == FrameType::Reset)
        return on_reset();
    if (frame.type == FrameType::ResetDone) {
        if (std::exchange(resetting_, false))
            open_done();
        return;
    }
    if (resetting_)
        return; // said before the host saw our Reset
    if (frame.type == FrameType::Open)
        return on_open(frame);
    if (!open_) {
        // The answer to our own Open; anything else is out of place, and a Reset makes it good.
        if (frame.type == FrameType::Accept && host_port_ != 0 && !message_.empty()) {
            open_ = we_ended_ = true;
            out_ += link::encode_data(std::exchange(message_, {})) + link::encode(FrameType::End);
        } else if (frame.type != FrameType::Refuse) {
            send_reset();
        }
        return;
    }
    if (frame.type == FrameType::End && !they_ended_) {
        they_ended_ = true;
        finish_if_over();
    } else if (frame.type == FrameType::Data && !they_ended_) {
        if (session_)
            in_ += frame.payload;
    } else {
        send_reset();
    }
}

void SerialPort::on_open(const link::Frame& frame) {
    // To the host the port is free when both have said End. What the former session has not taken by then, it
    // throws away itself.
    if (we_ended_ && they_ended_)
        drop_session();
    if (open_)
        return send_reset();
    if (!start_ || link::open_port(frame) != agent_port) {
        out_ += link::encode(link::FrameType::Refuse);
        return;
    }
    auto [ours, theirs] = make_socketpair();
    session_ = std::move(ours);
    open_ = true;
    we_ended_ = they_ended_ = false;
    out_ += link::encode(link::FrameType::Accept);
    start_(std::move(theirs));
}

void SerialPort::on_reset() {
    drop_session();
    out_ += link::encode(link::FrameType::ResetDone);
}

void SerialPort::open_done() {
    if (host_port_ != 0 && !message_.empty())
        out_ += link::encode_open(host_port_);
}

void SerialPort::drop_session() {
    session_.reset(); // the session sees its client go
    in_.clear();
    open_ = we_ended_ = they_ended_ = false;
}

void SerialPort::finish_if_over() {
    if (!open_ || !they_ended_ || !in_.empty())
        return;
    if (session_)
        ::shutdown(session_.get(), SHUT_WR);
    if (we_ended_)
        drop_session();
}

/// Whoever connects to the other end next knows nothing of what was said before.
void SerialPort::go_away() {
    away_ = true;
    decoder_.clear();
    out_.clear();
    send_reset();
}

void SerialPort::die() {
    drop_session();
    out_.clear();
    fd_.reset();
    dead_ = true;
}

void SerialLink::scan(const std::string& classes, const std::string& devices) {
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(classes.c_str()), ::closedir);
    std::vector<std::pair<bool, std::string>> found; // the guest's own port last
    while (const dirent* entry = folder ? ::readdir(folder.get()) : nullptr) {
        const std::string device = entry->d_name;
        const OwnedFd file(::open((classes + "/" + device + "/name").c_str(), O_RDONLY | O_CLOEXEC));
        if (device.starts_with('.') || ports_.contains(device) || !file)
            continue; // a port's name comes a little after the port: with another event
        auto name = read_all(file.get(), 4096, device);
        name = name.substr(0, name.find('\n'));
        if (name == link::host_port_name || name.starts_with(link::session_port_prefix))
            found.emplace_back(name == link::host_port_name, device);
    }
    std::sort(found.begin(), found.end());
    for (const auto& [is_host_port, device] : found) {
        OwnedFd fd(::open((devices + "/" + device).c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
        if (!fd) {
            say("open " + device + ": " + std::strerror(errno));
            continue;
        }
        ports_[device] = is_host_port ? std::make_unique<SerialPort>(std::move(fd), host_port_, message_)
                                      : std::make_unique<SerialPort>(std::move(fd), start_);
    }
}

void SerialLink::add_poll(std::vector<pollfd>& fds) {
    for (const auto& [device, port] : ports_)
        port->add_poll(fds);
}

void SerialLink::handle(const std::vector<pollfd>& fds, size_t& at) {
    for (const auto& [device, port] : ports_)
        port->handle(fds, at);
}

int SerialLink::patience_ms() {
    const bool any_away =
        std::any_of(ports_.begin(), ports_.end(), [](const auto& item) { return item.second->away(); });
    if (!any_away) {
        retry_ms_ = 1;
        return -1;
    }
    return retry_ms_ = std::min(retry_ms_ * 2, longest_retry_ms);
}

} // namespace banger::agent
