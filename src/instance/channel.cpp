#include "instance/channel.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace banger::instance {

namespace {

constexpr std::string_view error_mark = "error ";

/// The packet as it came; empty when the other side is gone.
std::string take_packet(int fd) {
    std::string packet(65536, '\0');
    ssize_t size = 0;
    do
        size = ::recv(fd, packet.data(), packet.size(), 0);
    while (size < 0 && errno == EINTR);
    packet.resize(size > 0 ? static_cast<size_t>(size) : 0);
    return packet;
}

Error error_from(const std::string& packet) {
    const auto line = packet.find('\n');
    const auto name = packet.substr(error_mark.size(), line - error_mark.size());
    return Error::from_wire(error_code_named(name), line == packet.npos ? "" : packet.substr(line + 1));
}

} // namespace

std::pair<Channel, Channel> Channel::make_pair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        throw_errno("socketpair");
    return {Channel(OwnedFd(ends[0])), Channel(OwnedFd(ends[1]))};
}

void Channel::send(std::string_view packet) {
    if (::send(fd_.get(), packet.data(), packet.size(), MSG_NOSIGNAL) < 0)
        throw Error(ErrorCode::Unavailable, "the other half of the start is gone");
}

std::string Channel::receive(int timeout_ms) {
    if (!wait_readable(fd_.get(), timeout_ms))
        throw Error(ErrorCode::Timeout, "no answer within " + std::to_string(timeout_ms / 1000) + " s");
    auto packet = take_packet(fd_.get());
    if (packet.empty())
        throw Error(ErrorCode::Unavailable, "the other half of the start is gone");
    if (packet.starts_with(error_mark))
        throw error_from(packet);
    return packet;
}

std::optional<Error> Channel::receive_failure() {
    const auto packet = take_packet(fd_.get());
    if (packet.empty())
        return std::nullopt;
    return error_from(packet);
}

void Channel::send_error(const Error& error) noexcept {
    const auto packet = std::string(error_mark) + std::string(error_kind(error.code()).name) + "\n" +
                        error.to_wire().substr(0, 32768);
    ::send(fd_.get(), packet.data(), packet.size(), MSG_NOSIGNAL);
}

} // namespace banger::instance
