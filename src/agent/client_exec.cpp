// The host's side of an exec session.
#include "agent/cancel.hpp"
#include "agent/client.hpp"
#include "agent/client_sink.hpp"
#include "agent/client_terminal.hpp"

#include <limits.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

namespace banger::agent {

namespace {

constexpr size_t most_unsent = 256 * 1024;
constexpr size_t most_unwritten = 256 * 1024;
/// The agent ends a command that is out of time; this much later the guest counts as hanging.
constexpr std::chrono::seconds grace{5};
/// For the guest to take the connection.
constexpr std::chrono::seconds greeting_limit{10};
/// So many signals in a row that end commands, without a sign of the guest: whoever sent them wants out.
constexpr int patience_in_signals = 3;

class ExecClient {
public:
    ExecClient(int fd, const ExecRequest& request, const ExecStreams& streams)
        : fd_(fd)
        , tty_(request.tty)
        , stream_(fd)
        , in_(streams.in)
        , sinks_{OutputSink(streams.out), OutputSink(streams.err)}
        , streams_(streams)
        , signals_(streams.forward_signals, streams.terminal && request.tty)
        , raw_(streams.terminal && request.tty ? streams.in : -1) {
        if (request.timeout_ms > 0)
            deadline_ = Clock::now() + std::chrono::milliseconds(request.timeout_ms) + grace;
        if (streams.greeting_to_come) {
            greeting_.emplace();
            greeting_deadline_ = Clock::now() + greeting_limit;
        }
    }

    int run(const ExecRequest& request, std::string_view op_id) {
        stream_.queue(FrameType::Request, encode_request(request, op_id));
        if (in_ < 0)
            stream_.queue(FrameType::StdinEof, {});
        while (!exit_ || unwritten() > 0)
            step();
        return exit_->status;
    }

private:
    size_t unwritten() const { return sinks_[0].unwritten() + sinks_[1].unwritten(); }

    void step() {
        const bool take = !exit_ && unwritten() < most_unwritten;
        const bool give = !exit_ && window_ > 0 && stream_.unsent() < most_unsent;
        const auto stream_events =
            static_cast<short>((take ? POLLIN : 0) | (stream_.unsent() > 0 ? POLLOUT : 0));
        std::array<pollfd, 5> fds{{{stream_events != 0 ? fd_ : -1, stream_events, 0},
                                   {give ? in_ : -1, POLLIN, 0},
                                   {sinks_[0].unwritten() > 0 ? sinks_[0].fd() : -1, POLLOUT, 0},
                                   {sinks_[1].unwritten() > 0 ? sinks_[1].fd() : -1, POLLOUT, 0},
                                   {signals_.fd(), POLLIN, 0}}};
        // Frames that were read but not taken for want of room do not show on the descriptor.
        const bool waiting = take && held_back_;
        if (::poll(fds.data(), fds.size(), waiting ? 0 : poll_timeout(next_deadline())) < 0 && errno != EINTR)
            throw_errno("poll");
        obey_clock();
        // Signals first: a terminal's new size reaches the guest before what is typed after it.
        if (fds[4].revents != 0)
            pass_signal();
        if (fds[1].revents != 0)
            read_input();
        for (size_t i = 0; i < sinks_.size(); i++)
            if (fds[2 + i].revents != 0 && !sinks_[i].write_some())
                close_sink(i);
        if (waiting || (take && fds[0].revents != 0))
            take_frames();
        // Once the agent has told the end, it need not be there any more.
        if (!exit_ && !stream_.flush_now())
            take_last_words();
    }

    const Deadline& next_deadline() const {
        const bool greeting_first = greeting_ && (!deadline_ || *greeting_deadline_ < *deadline_);
        return greeting_first ? greeting_deadline_ : deadline_;
    }

    void obey_clock() const {
        const auto now = Clock::now();
        if (greeting_ && now >= *greeting_deadline_)
            throw Error(ErrorCode::Timeout, not_accepted().message(),
                        "the command may still run: the request went ahead; `banger vm kill` ends its VM");
        if (deadline_ && now >= *deadline_)
            throw Error(ErrorCode::Timeout, "the command's time is up, and the guest does not end it",
                        "the guest hangs: `banger vm kill` ends it");
    }

    /// Whether the agent's frames are next on the stream.
    bool greeted() {
        if (greeting_ && greeting_->read(fd_))
            greeting_.reset();
        return !greeting_;
    }

    void read_input() {
        std::array<char, 65536> buffer;
        const auto n = ::read(in_, buffer.data(), std::min(buffer.size(), window_));
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n > 0) {
            window_ -= static_cast<size_t>(n);
            return stream_.queue(FrameType::Stdin, {buffer.data(), static_cast<size_t>(n)});
        }
        in_ = -1; // end of file; or a read error, after which there is nothing more to come either
        stream_.queue(FrameType::StdinEof, {});
    }

    void close_sink(size_t index) {
        sinks_[index].close();
        if (!exit_)
            stream_.queue(FrameType::OutputClosed, encode_count("stream", index + 1));
    }

    void pass_signal() {
        const int signal = signals_.take();
        if (signal == SIGWINCH)
            return stream_.queue(FrameType::Resize, encode_resize(terminal_size(streams_.in)));
        if (signal == 0)
            return;
        if ((signal == SIGINT || signal == SIGTERM) && ++unanswered_signals_ >= patience_in_signals)
            throw Error(ErrorCode::Cancelled,
                        "the guest did not react to " + std::to_string(patience_in_signals) + " signals",
                        "the command may still run; `banger vm kill` ends its VM");
        stream_.queue(FrameType::Signal, encode_signal(signal_name(signal)));
    }

    void take_frames() {
        if (!greeted())
            return;
        while (auto frame = exit_ || unwritten() >= most_unwritten ? std::nullopt : stream_.receive_now())
            take(*frame);
        held_back_ = !exit_ && unwritten() >= most_unwritten;
        if (stream_.ended() && !exit_ && !held_back_)
            throw Error(ErrorCode::Unavailable, "the guest went away while the command ran",
                        "look at the guest's log for its last words");
    }

    /// The agent is gone for writing; its answer may have come before that.
    void take_last_words() {
        if (!greeted())
            throw Error(ErrorCode::Unavailable, "the guest's agent did not take the connection",
                        "the guest may have ended; look at its log");
        while (auto frame = exit_ ? std::nullopt : stream_.receive_now())
            take(*frame);
        if (!exit_)
            throw Error(ErrorCode::Unavailable, "the guest went away while the command ran",
                        "look at the guest's log for its last words");
    }

    void take(const Frame& frame) {
        unanswered_signals_ = 0;
        switch (frame.type) {
        case FrameType::Started:
            return;
        case FrameType::Stdout:
        case FrameType::Stderr:
            output_ += frame.payload.size();
            if (streams_.output_limit > 0 && output_ > streams_.output_limit)
                throw Error(ErrorCode::FailedPrecondition, "the command in the guest wrote more than " +
                                                               std::to_string(streams_.output_limit) +
                                                               " bytes");
            return sinks_[frame.type == FrameType::Stdout || tty_ ? 0 : 1].add(frame.payload);
        case FrameType::StdinTaken:
            window_ = std::min<uint64_t>(stdin_window, window_ + parse_count("bytes", frame.payload));
            return;
        case FrameType::Exit:
            exit_ = parse_exit(frame.payload);
            return;
        case FrameType::Error:
            throw parse_error(frame.payload);
        default:
            throw Error(ErrorCode::Internal, "the guest's agent gave an answer of the wrong kind");
        }
    }

    int fd_;
    bool tty_;
    FrameStream stream_;
    int in_;
    std::array<OutputSink, 2> sinks_;
    const ExecStreams& streams_;
    SignalQueue signals_;
    RawTerminal raw_;
    uint64_t window_ = stdin_window;
    uint64_t output_ = 0;
    bool held_back_ = false;
    int unanswered_signals_ = 0;
    Deadline deadline_;
    std::optional<GreetingLine> greeting_; ///< while it is still to come
    Deadline greeting_deadline_;
    std::optional<ExitStatus> exit_;
};

OwnedFd memory_file(const char* name) {
    OwnedFd fd(::memfd_create(name, MFD_CLOEXEC));
    if (!fd)
        throw_errno("make a file in memory");
    return fd;
}

std::string content_of(int fd, size_t limit) {
    if (::lseek(fd, 0, SEEK_SET) < 0)
        throw_errno("read the command's output");
    return read_all(fd, limit, "the command's output");
}

} // namespace

int exec(int fd, const ExecRequest& request, const ExecStreams& streams, std::string_view op_id,
         std::stop_token stop) {
    return cancellable(fd, stop, [&] { return ExecClient(fd, request, streams).run(request, op_id); });
}

CapturedOutput exec_captured(int fd, const ExecRequest& request, std::string_view input, size_t limit,
                             std::string_view op_id, std::stop_token stop) {
    const auto in = memory_file("input");
    const auto out = memory_file("output");
    const auto err = memory_file("errors");
    write_all(in.get(), input, "the command's input");
    ::lseek(in.get(), 0, SEEK_SET);
    ExecStreams streams;
    streams.in = in.get();
    streams.out = out.get();
    streams.err = err.get();
    streams.output_limit = limit;
    CapturedOutput result;
    result.status = exec(fd, request, streams, op_id, stop);
    result.out = content_of(out.get(), limit);
    result.err = content_of(err.get(), limit);
    return result;
}

} // namespace banger::agent
