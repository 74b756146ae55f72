#include "agent/null_session.hpp"

#include "agent/stream.hpp"
#include "agent/tree.hpp"

#include <exception>

namespace banger::agent {

namespace {

/// What `exec` says when the time limit or a signal ended it.
ExitStatus stopped_by(int signal) {
    return {128 + signal, signal, false};
}

class NullSession {
public:
    NullSession(int fd, uint64_t sessions)
        : stream_(fd)
        , sessions_(sessions) {}

    NullSessionEnd run() {
        const auto first = stream_.receive();
        if (!first)
            return NullSessionEnd::Ordinary;
        if (first->type != FrameType::Request)
            throw Error(ErrorCode::InvalidArgument, "the first frame is no request");
        const auto envelope = parse_request(first->payload);
        std::visit([this](const auto& request) { answer(request); }, envelope.request);
        const bool shutdown = std::holds_alternative<ShutdownRequest>(envelope.request);
        return shutdown ? NullSessionEnd::ShutdownAsked : NullSessionEnd::Ordinary;
    }

    void report(const Error& error) { stream_.send(FrameType::Error, encode_error(error)); }

private:
    void answer(const ExecRequest& exec) {
        stream_.send(FrameType::Started, encode_count("pid", 1));
        if (exec.timeout_ms > 0)
            stream_.set_deadline(Clock::now() + std::chrono::milliseconds(exec.timeout_ms));
        ExitStatus exit;
        try {
            exit = echo();
        } catch (const Error& error) {
            if (error.code() != ErrorCode::Timeout)
                throw;
            exit = {124, 0, true};
        }
        stream_.set_deadline({});
        stream_.send(FrameType::Exit, encode_exit(exit));
    }

    ExitStatus echo() {
        while (auto frame = stream_.receive()) {
            if (frame->type == FrameType::StdinEof)
                return {};
            if (frame->type == FrameType::Signal)
                return stopped_by(parse_signal(frame->payload));
            if (frame->type != FrameType::Stdin)
                continue;
            stream_.send(FrameType::Stdout, frame->payload);
            stream_.send(FrameType::StdinTaken, encode_count("bytes", frame->payload.size()));
        }
        throw Error(ErrorCode::Unavailable, "the client went away");
    }

    void answer(const PutRequest&) {
        TransferSummary summary;
        for (;;) {
            const auto frame = stream_.receive_answer();
            if (frame.type == FrameType::EntriesEnd)
                break;
            summary.files += frame.type == FrameType::Entry ? 1 : 0;
            summary.bytes += frame.type == FrameType::Data ? frame.payload.size() : 0;
        }
        stream_.send(FrameType::Done, encode_done(summary));
    }

    void answer(const GetRequest&) {
        Entry entry;
        entry.path = "null";
        entry.type = EntryType::File;
        entry.mode = 0644;
        stream_.send(FrameType::Entry, encode_entry(entry));
        stream_.send(FrameType::EntriesEnd);
        stream_.send(FrameType::Done, encode_done({1, 0, 0}));
    }

    void answer(const StatRequest& request) {
        const bool home = request.path == "/root" || request.path == "/root/";
        stream_.send(FrameType::Info, encode_path_status({home ? PathType::Directory : PathType::None,
                                                          home ? request.path : ""}));
    }
    void answer(const PortsRequest&) { stream_.send(FrameType::Info, encode_ports({})); }
    void answer(const StatsRequest&) { stream_.send(FrameType::Info, encode_stats({})); }
    void answer(const InfoRequest&) {
        AgentInfo info;
        info.agent = BANGER_VERSION;
        info.kernel = "null";
        info.sessions = sessions_;
        stream_.send(FrameType::Info, encode_info(info));
    }
    void answer(const ShutdownRequest&) { stream_.send(FrameType::Done, encode_done({})); }
    void answer(const TimeRequest&) { stream_.send(FrameType::Done, encode_done({})); }

    FrameStream stream_;
    uint64_t sessions_;
};

} // namespace

NullSessionEnd serve_null_session(int fd, uint64_t sessions) noexcept {
    try {
        NullSession session(fd, sessions);
        try {
            return session.run();
        } catch (const Error& error) {
            session.report(error);
        }
    } catch (const std::exception&) {
        // The client went away: there is nobody to tell.
    }
    return NullSessionEnd::Ordinary;
}

} // namespace banger::agent
