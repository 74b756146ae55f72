#include "daemon/vm/session.hpp"

#include "agent/protocol.hpp"
#include "base/loop.hpp"
#include "base/op_id.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace banger::daemon {

namespace {

constexpr std::chrono::milliseconds limit{10'000};
constexpr size_t longest_line = 32; // "OK 4294967295\n"

/// As the client gets it.
OwnedFd blocking(OwnedFd socket) {
    ::fcntl(socket.get(), F_SETFL, 0);
    return socket;
}

/// A greeting under way; keeps itself alive until it has answered.
class Greeting : public std::enable_shared_from_this<Greeting> {
public:
    Greeting(OwnedFd socket, SessionAnswer answer)
        : socket_(std::move(socket))
        , answer_(std::move(answer))
        , op_id_(current_op_id()) {}

    void begin() {
        watch_ = FdWatch(socket_.get(), [self = shared_from_this()] { return self->read_line(); });
        timer_ = Timer(limit, [self = shared_from_this()] {
            self->end(
                Error(ErrorCode::Timeout, "the guest's agent did not answer within 10 s",
                      "the guest may hang: console.log in the VM's folder tells; `banger vm kill` ends it"));
            return false;
        });
    }

private:
    /// Takes the bytes of the line, and none that follow it. False: not to be called again.
    bool read_line() {
        char ahead[longest_line];
        const auto n = ::recv(socket_.get(), ahead, sizeof ahead, MSG_PEEK);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return true;
        if (n <= 0)
            return refuse("the guest's agent does not listen");
        const auto* newline = static_cast<const char*>(std::memchr(ahead, '\n', static_cast<size_t>(n)));
        const auto take = newline ? newline - ahead + 1 : n;
        line_.append(ahead, static_cast<size_t>(take));
        if (::recv(socket_.get(), ahead, static_cast<size_t>(take), 0) != take)
            return refuse("the connection to the guest broke");
        if (newline)
            return line_.starts_with("OK ") ? accept() : refuse("the VMM answered with nonsense");
        return line_.size() < longest_line || refuse("the VMM answered with nonsense");
    }

    bool refuse(const char* why) {
        end(Error(ErrorCode::Unavailable, why,
                  "the guest may hang: console.log in the VM's folder tells; `banger vm kill` ends it"));
        return false;
    }
    bool accept() {
        end(blocking(std::move(socket_)));
        return false;
    }

    void end(std::variant<OwnedFd, Error> outcome) {
        const auto self = shared_from_this();
        const OpScope scope(op_id_);
        // Each holds this object; the one that is being called is dropped by its own "false" just as well.
        watch_.cancel();
        timer_.cancel();
        answer_(std::move(outcome));
    }

    OwnedFd socket_;
    SessionAnswer answer_;
    std::string op_id_;
    std::string line_;
    FdWatch watch_;
    Timer timer_;
};

OwnedFd connect_now(const std::string& vsock_socket) {
    int error_number = 0;
    auto socket = try_connect_socket_file(vsock_socket, error_number);
    if (!socket)
        throw Error(ErrorCode::Unavailable,
                    "cannot connect to the VM: " + std::string(std::strerror(error_number)),
                    "is it about to end? `banger vm show` tells its state");
    const auto line = "CONNECT " + std::to_string(agent::agent_port) + "\n";
    if (::send(socket.get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
        throw_errno("write to the VM's socket");
    return socket;
}

} // namespace

void open_session(const std::string& vsock_socket, bool early, SessionAnswer answer) {
    OwnedFd socket;
    try {
        socket = connect_now(vsock_socket);
    } catch (const Error& error) {
        answer(error);
        return;
    }
    if (early)
        return answer(blocking(std::move(socket)));
    std::make_shared<Greeting>(std::move(socket), std::move(answer))->begin();
}

} // namespace banger::daemon
