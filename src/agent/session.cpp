#include "agent/session.hpp"

#include "agent/exec_session.hpp"
#include "agent/tree.hpp"
#include "base/file.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <memory>

namespace banger::agent {

namespace {

using namespace std::chrono_literals;

constexpr auto request_limit = 30s; ///< for the first frame to come
constexpr auto end_limit = 5s;      ///< for the client to see the last frame and close
constexpr const char* home = "/root";

std::string absolute(const std::string& path) {
    return path.starts_with('/') ? path : std::string(home) + "/" + path;
}

class Session {
public:
    Session(int fd, const SessionContext& context)
        : fd_(fd)
        , context_(context)
        , stream_(fd) {}

    void run() {
        try {
            stream_.set_deadline(Clock::now() + request_limit);
            const auto first = stream_.receive();
            stream_.set_deadline({});
            if (!first)
                return;
            if (first->type != FrameType::Request)
                throw Error(ErrorCode::InvalidArgument, "the first frame is no request");
            const auto envelope = parse_request(first->payload);
            std::visit([this](const auto& request) { serve(request); }, envelope.request);
        } catch (const Error& error) {
            if (error.code() == ErrorCode::Unavailable)
                return; // the client went away
            stream_.set_deadline(Clock::now() + end_limit);
            stream_.send(FrameType::Error, encode_error(error));
        }
        see_off();
    }

private:
    void serve(const ExecRequest& request) { serve_exec(stream_, fd_, request); }

    void serve(const PutRequest& request) {
        const auto directory = absolute(request.directory);
        make_directories(directory, 0755);
        if (request.clear)
            remove_contents(directory);
        TreeLimits limits;
        limits.owner = request.owner;
        if (!request.owner)
            limits.mode_mask = 0777; // a set-uid program of somebody's must not become root's
        TreeWriter writer(open_file(directory, O_RDONLY | O_DIRECTORY), limits);
        const auto summary = receive_tree(stream_, writer);
        stream_.send(FrameType::Done, encode_done(summary));
    }

    void serve(const GetRequest& request) {
        ReadOptions options;
        options.holes = options.hard_links = request.entries >= 2;
        if (request.entries >= 2)
            options.root = request.follow ? RootLink::Follow : RootLink::Keep;
        TreeReader reader(absolute(request.path), options);
        const auto summary = send_tree(stream_, reader);
        stream_.send(FrameType::Done, encode_done(summary));
    }

    void serve(const StatRequest& request) {
        struct stat status{};
        PathStatus answer{PathType::Other};
        const auto path = absolute(request.path);
        // What a path leads to counts; a symlink that leads nowhere is a symlink.
        if (::stat(path.c_str(), &status) < 0 && ::lstat(path.c_str(), &status) < 0) {
            if (errno != ENOENT && errno != ENOTDIR)
                throw_errno("look at " + path);
            answer.type = PathType::None;
        } else if (S_ISREG(status.st_mode)) {
            answer.type = PathType::File;
        } else if (S_ISDIR(status.st_mode)) {
            answer.type = PathType::Directory;
        } else if (S_ISLNK(status.st_mode)) {
            answer.type = PathType::Symlink;
        }
        const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
        if (real)
            answer.path = real.get();
        stream_.send(FrameType::Info, encode_path_status(answer));
    }

    void serve(const InfoRequest&) { stream_.send(FrameType::Info, encode_info(agent_info(context_))); }
    void serve(const PortsRequest&) { stream_.send(FrameType::Info, encode_ports(listening_ports())); }

    void serve(const StatsRequest&) { stream_.send(FrameType::Info, encode_stats(guest_stats())); }

    void serve(const ShutdownRequest& request) {
        if (!context_.in_guest)
            throw Error(ErrorCode::Unsupported, "this agent is not in a guest that it could shut down");
        stream_.send(FrameType::Done, encode_done({}));
        see_off();
        shut_down(request, context_);
    }

    void serve(const TimeRequest& request) {
        if (!context_.in_guest)
            throw Error(ErrorCode::Unsupported, "this agent is not in a guest whose clock it could set");
        const timespec time{request.unix_ns / 1'000'000'000, request.unix_ns % 1'000'000'000};
        if (::clock_settime(CLOCK_REALTIME, &time) < 0)
            throw_errno("set the guest's clock");
        stream_.send(FrameType::Done, encode_done({}));
    }

    /// Half-closes and waits until the client closed as well: closing with unread bytes could take the last
    /// frame with it.
    void see_off() {
        ::shutdown(fd_, SHUT_WR);
        std::array<char, 65536> buffer;
        const Deadline limit = Clock::now() + end_limit;
        while (Clock::now() < *limit && wait_readable(fd_, poll_timeout(limit))) {
            const auto n = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
            if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
                return;
        }
    }

    int fd_;
    const SessionContext& context_;
    FrameStream stream_;
};

} // namespace

AgentInfo agent_info(const SessionContext& context) {
    utsname system{};
    ::uname(&system);
    timespec uptime{};
    ::clock_gettime(CLOCK_BOOTTIME, &uptime);
    AgentInfo info;
    info.agent = BANGER_VERSION;
    info.kernel = system.release;
    info.ready_ms = context.ready_ms;
    info.uptime_ms =
        static_cast<uint64_t>(uptime.tv_sec) * 1000 + static_cast<uint64_t>(uptime.tv_nsec) / 1'000'000;
    info.sessions = context.sessions;
    return info;
}

void serve_session(int fd, const SessionContext& context) noexcept {
    try {
        Session(fd, context).run();
    } catch (const std::exception&) {
        // The client went away, or there is no memory even for an answer: the stream's end says it.
    }
}

} // namespace banger::agent
