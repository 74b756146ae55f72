#include "agent/exec_session.hpp"

#include "agent/exec_child.hpp"
#include "base/process.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

namespace banger::agent {

namespace {

using namespace std::chrono_literals;

constexpr auto hangup_grace = 2s;    ///< from SIGHUP to SIGKILL, when the client went away
constexpr auto terminate_grace = 1s; ///< from SIGTERM to SIGKILL, when the time is up
constexpr auto drain_grace = 200ms;  ///< for output after the command's end, while others hold its pipes open
constexpr size_t most_unsent = 256 * 1024;
constexpr int timeout_status = 124; // as timeout(1) has it
constexpr char end_of_input = 4;    // ^D, the terminal's VEOF

/// One of the command's outputs.
struct Output {
    int fd = -1;
    FrameType type;
    OwnedFd* owner;
    size_t owed =
        0; ///< bytes that were in the pipe when the command ended: delivered however long that takes
};

class ExecSession {
public:
    ExecSession(FrameStream& stream, int stream_fd, const ExecRequest& request, Command& command)
        : stream_(stream)
        , stream_fd_(stream_fd)
        , request_(request)
        , command_(command)
        , outputs_{{{command.output.get(), FrameType::Stdout, &command.output},
                    {command.errors.get(), FrameType::Stderr, &command.errors}}} {
        if (request.timeout_ms > 0)
            time_limit_ = Clock::now() + std::chrono::milliseconds(request.timeout_ms);
    }

    void run() {
        stream_.queue(FrameType::Started, encode_count("pid", static_cast<uint64_t>(command_.pid)));
        take_frames();
        while (!finished())
            step();
        if (client_gone_)
            return;
        stream_.set_deadline({});
        stream_.queue(FrameType::Exit, encode_exit(exit_));
        stream_.flush();
    }

private:
    bool finished() {
        if (!exited_)
            return false;
        if (client_gone_)
            return true;
        const bool late = Clock::now() >= *drain_until_;
        return std::all_of(outputs_.begin(), outputs_.end(), [late](const Output& output) {
            return output.fd < 0 || (late && output.owed == 0);
        });
    }

    void step() {
        const bool room = stream_.unsent() < most_unsent;
        const short stream_events = static_cast<short>(POLLIN | (stream_.unsent() > 0 ? POLLOUT : 0));
        std::array<pollfd, 5> fds{{{client_gone_ ? -1 : stream_fd_, stream_events, 0},
                                   {exited_ ? -1 : command_.pidfd.get(), POLLIN, 0},
                                   {room ? outputs_[0].fd : -1, POLLIN, 0},
                                   {room ? outputs_[1].fd : -1, POLLIN, 0},
                                   {input_.empty() ? -1 : command_.input.get(), POLLOUT, 0}}};
        if (::poll(fds.data(), fds.size(), poll_timeout(next_deadline())) < 0 && errno != EINTR)
            throw_errno("poll");
        if (fds[0].revents & (POLLIN | POLLHUP | POLLERR))
            take_frames();
        if (fds[1].revents != 0)
            reap();
        for (size_t i = 0; i < outputs_.size(); i++)
            if (fds[2 + i].revents != 0)
                pass_output(outputs_[i]);
        if (fds[4].revents != 0)
            pass_input();
        obey_clock();
        if (!client_gone_ && !stream_.flush_now())
            hang_up();
    }

    Deadline next_deadline() const {
        Deadline next;
        for (const auto& deadline : {time_limit_, kill_at_, late_drain() ? Deadline() : drain_until_})
            if (deadline && (!next || *deadline < *next))
                next = deadline;
        return next;
    }
    /// The grace is over, and only what is owed keeps the session.
    bool late_drain() const { return drain_until_ && Clock::now() >= *drain_until_; }

    void obey_clock() {
        const auto now = Clock::now();
        if (exited_)
            return;
        if (time_limit_ && now >= *time_limit_) {
            time_limit_.reset();
            exit_.timed_out = true;
            signal_command(command_.pid, SIGTERM);
            signal_command(command_.pid, SIGCONT);
            kill_at_ = now + terminate_grace;
        }
        if (kill_at_ && now >= *kill_at_) {
            kill_at_.reset();
            signal_command(command_.pid, SIGKILL);
        }
    }

    void take_frames() {
        try {
            while (auto frame = client_gone_ ? std::nullopt : stream_.receive_now())
                take(*frame);
        } catch (const Error& error) {
            // A client that does not keep to the protocol is told so, and is as good as gone.
            stream_.queue(FrameType::Error, encode_error(error));
            stream_.flush_now();
            hang_up();
        }
        if (stream_.ended())
            hang_up();
    }

    void take(const Frame& frame) {
        switch (frame.type) {
        case FrameType::Stdin:
            if (input_.size() - input_done_ + frame.payload.size() > stdin_window)
                throw Error(ErrorCode::InvalidArgument,
                            "more standard input was sent than the agent allowed");
            // What the command has taken goes, or a command that is always behind would have all of it kept.
            if (input_done_ >= input_.size() / 2)
                input_.erase(0, std::exchange(input_done_, 0));
            input_ += frame.payload;
            return pass_input();
        case FrameType::StdinEof:
            input_ended_ = true;
            if (request_.tty)
                input_ += end_of_input;
            return pass_input();
        case FrameType::Resize:
            return resize(parse_resize(frame.payload));
        case FrameType::Signal:
            return signal_command(foreground(), parse_signal(frame.payload));
        case FrameType::OutputClosed:
            return close_output(parse_count("stream", frame.payload));
        default:
            throw Error(ErrorCode::InvalidArgument, "unexpected frame in an exec session");
        }
    }

    /// The process group that a terminal's own signal keys would reach; without a terminal the command's.
    pid_t foreground() const {
        pid_t group = -1;
        if (request_.tty && ::ioctl(command_.output.get(), TIOCGPGRP, &group) == 0 && group > 1)
            return group;
        return command_.pid;
    }

    void resize(WindowSize size) const {
        winsize window{};
        window.ws_row = size.rows;
        window.ws_col = size.cols;
        if (request_.tty)
            ::ioctl(command_.output.get(), TIOCSWINSZ, &window);
    }

    void close_output(uint64_t stream) {
        if (stream != 1 && stream != 2)
            throw Error(ErrorCode::InvalidArgument, "no such output");
        if (request_.tty)
            return signal_command(command_.pid, SIGHUP);
        close_one(outputs_[stream - 1]);
    }

    static void close_one(Output& output) {
        output.owner->reset();
        output.fd = -1;
        output.owed = 0;
    }

    void pass_input() {
        size_t taken = 0;
        while (command_.input && input_done_ < input_.size()) {
            const auto n =
                ::write(command_.input.get(), input_.data() + input_done_, input_.size() - input_done_);
            if (n < 0 && errno == EAGAIN)
                break;
            if (n < 0 && errno == EINTR)
                continue;
            if (n < 0) {
                command_.input.reset(); // it reads no more: the rest is thrown away below
                break;
            }
            input_done_ += static_cast<size_t>(n);
            taken += static_cast<size_t>(n);
        }
        if (!command_.input)
            taken += input_.size() - input_done_;
        if (!command_.input || input_done_ == input_.size()) {
            input_.clear();
            input_done_ = 0;
            if (input_ended_ && !request_.tty)
                command_.input.reset();
        }
        if (taken > 0 && !client_gone_)
            stream_.queue(FrameType::StdinTaken, encode_count("bytes", taken));
    }

    void pass_output(Output& output) {
        std::array<char, 65536> buffer;
        const auto n = ::read(output.fd, buffer.data(), buffer.size());
        if (n < 0 && errno == EAGAIN)
            output.owed = 0; // emptied otherwise, as a terminal's queue may be
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) // end of file; on a terminal's master EIO when the last slave was closed
            return close_one(output);
        const auto size = static_cast<size_t>(n);
        output.owed -= std::min(output.owed, size);
        stream_.queue(output.type, {buffer.data(), size});
    }

    void reap() {
        int status = 0;
        if (::waitpid(command_.pid, &status, WNOHANG) != command_.pid)
            return;
        exited_ = true;
        exit_.status = exit_.timed_out ? timeout_status : shell_status(status);
        exit_.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        drain_until_ = Clock::now() + drain_grace;
        for (auto& output : outputs_) {
            int left = 0;
            if (output.fd >= 0 && ::ioctl(output.fd, FIONREAD, &left) == 0)
                output.owed = static_cast<size_t>(std::max(left, 0));
        }
    }

    void hang_up() {
        if (client_gone_)
            return;
        client_gone_ = true;
        for (auto& output : outputs_)
            close_one(output);
        command_.input.reset();
        input_.clear();
        if (exited_)
            return;
        signal_command(command_.pid, SIGHUP);
        signal_command(command_.pid, SIGCONT);
        kill_at_ = Clock::now() + hangup_grace;
    }

    FrameStream& stream_;
    int stream_fd_;
    const ExecRequest& request_;
    Command& command_;
    std::array<Output, 2> outputs_;
    std::string input_; ///< for the command, from input_done_ on
    size_t input_done_ = 0;
    bool input_ended_ = false;
    bool client_gone_ = false;
    bool exited_ = false;
    ExitStatus exit_;
    Deadline time_limit_, kill_at_, drain_until_;
};

} // namespace

void serve_exec(FrameStream& stream, int stream_fd, const ExecRequest& request) {
    auto started = start_command(request);
    if (const auto* failed = std::get_if<NotExecuted>(&started)) {
        stream.queue(FrameType::Stderr, failed->message);
        stream.queue(FrameType::Exit, encode_exit({failed->status, 0, false}));
        return stream.flush();
    }
    ExecSession(stream, stream_fd, request, std::get<Command>(started)).run();
}

} // namespace banger::agent
