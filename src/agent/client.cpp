#include "agent/client.hpp"

#include "agent/cancel.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>

namespace banger::agent {

namespace {

constexpr size_t greeting_limit = 32; // "OK 4294967295\n" is 14

/// Sends a request that has one answer, and gives that.
Frame ask(int fd, const Request& request, FrameType wanted, Deadline deadline, std::string_view op_id) {
    FrameStream stream(fd, deadline);
    stream.send(FrameType::Request, encode_request(request, op_id));
    auto answer = stream.receive_answer();
    if (answer.type != wanted)
        throw Error(ErrorCode::Internal, "the guest's agent gave an answer of the wrong kind");
    return answer;
}

Error not_listening(const std::string& why) {
    return {ErrorCode::Unavailable, "the guest's agent does not listen: " + why,
            "the guest may still be starting, or may have ended; look at its log"};
}

bool is_greeting(std::string_view line) {
    if (!line.starts_with("OK ") || line.size() < 4 || line.size() > 13)
        return false;
    return line.substr(3).find_first_not_of("0123456789") == line.npos;
}

TransferSummary receive_summary(FrameStream& stream) {
    const auto answer = stream.receive_answer();
    if (answer.type != FrameType::Done)
        throw Error(ErrorCode::Internal, "the guest's agent gave an answer of the wrong kind");
    return parse_done(answer.payload);
}

} // namespace

void greet_hybrid(int fd, uint32_t port, Deadline deadline) {
    const auto greeting = "CONNECT " + std::to_string(port) + "\n";
    if (::send(fd, greeting.data(), greeting.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(greeting.size()))
        throw not_listening("the VMM closed the connection");
    GreetingLine line;
    while (!line.read(fd))
        if (!wait_readable(fd, poll_timeout(deadline)))
            throw not_accepted();
}

bool GreetingLine::read(int fd) {
    for (char c = 0; c != '\n';) {
        // Byte by byte: what follows the line is not ours to read.
        const auto n = ::recv(fd, &c, 1, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n <= 0)
            throw not_listening("the connection was refused");
        line_ += c;
        if (line_.size() > greeting_limit)
            throw not_listening("the VMM answered something else");
    }
    line_.pop_back();
    if (!is_greeting(line_))
        throw not_listening("the VMM answered something else");
    return true;
}

Error not_accepted() {
    return {ErrorCode::Timeout, "the guest's agent did not accept the connection in time",
            "the guest may hang: its console tells; `banger vm kill` ends it"};
}

namespace {

/// A VMM that does not take its connections fills its backlog (EAGAIN): asked again until the deadline or
/// stop.
OwnedFd connect_in_time(const std::string& uds_path, Deadline deadline, const std::stop_token& stop) {
    constexpr int between_ms = 10;
    for (;;) {
        int error_number = 0;
        if (auto fd = try_connect_socket_file(uds_path, error_number)) {
            ::fcntl(fd.get(), F_SETFL, 0); // blocking from here on
            return fd;
        }
        if (error_number == EACCES)
            throw errno_error("connect to " + uds_path, error_number);
        if (error_number != EAGAIN)
            throw not_listening(std::generic_category().message(error_number) + ": " + uds_path);
        if (stop.stop_requested())
            throw Error(ErrorCode::Cancelled, "cancelled");
        if (poll_timeout(deadline) == 0)
            throw Error(ErrorCode::Timeout, "the VMM does not take connections");
        ::poll(nullptr, 0, between_ms);
    }
}

} // namespace

OwnedFd connect_hybrid(const std::string& uds_path, uint32_t port, Deadline deadline, std::stop_token stop) {
    auto fd = connect_in_time(uds_path, deadline, stop);
    return cancellable(fd.get(), stop, [&] {
        greet_hybrid(fd.get(), port, deadline);
        return std::move(fd);
    });
}

TransferSummary put(int fd, const PutRequest& request, EntrySource& source, std::string_view op_id,
                    std::stop_token stop) {
    return cancellable(fd, stop, [&] {
        FrameStream stream(fd);
        stream.send(FrameType::Request, encode_request(request, op_id));
        const auto sent = send_tree(stream, source);
        auto received = receive_summary(stream);
        received.skipped = sent.skipped;
        return received;
    });
}

TransferSummary get(int fd, const GetRequest& request, EntrySink& sink, std::string_view op_id,
                    std::stop_token stop) {
    return cancellable(fd, stop, [&] {
        FrameStream stream(fd);
        stream.send(FrameType::Request, encode_request(request, op_id));
        auto received = receive_tree(stream, sink);
        received.skipped = receive_summary(stream).skipped;
        return received;
    });
}

PathStatus stat(int fd, const StatRequest& request, Deadline deadline, std::string_view op_id,
                std::stop_token stop) {
    return cancellable(fd, stop, [&] {
        return parse_path_status(ask(fd, request, FrameType::Info, deadline, op_id).payload);
    });
}

AgentInfo info(int fd, Deadline deadline, std::string_view op_id) {
    return parse_info(ask(fd, InfoRequest{}, FrameType::Info, deadline, op_id).payload);
}

std::vector<ListeningPort> ports(int fd, Deadline deadline, std::string_view op_id) {
    return parse_ports(ask(fd, PortsRequest{}, FrameType::Info, deadline, op_id).payload);
}

GuestStats stats(int fd, Deadline deadline, std::string_view op_id) {
    return parse_stats(ask(fd, StatsRequest{}, FrameType::Info, deadline, op_id).payload);
}

void shutdown(int fd, const ShutdownRequest& request, Deadline deadline, std::string_view op_id) {
    ask(fd, request, FrameType::Done, deadline, op_id);
}

void set_time(int fd, const TimeRequest& request, Deadline deadline, std::string_view op_id) {
    ask(fd, request, FrameType::Done, deadline, op_id);
}

AgentInfo receive_ready(int fd, Deadline deadline) {
    FrameStream stream(fd, deadline);
    const auto frame = stream.receive_answer();
    if (frame.type != FrameType::Ready)
        throw Error(ErrorCode::Internal, "the guest's agent gave an answer of the wrong kind");
    return parse_info(frame.payload);
}

} // namespace banger::agent
