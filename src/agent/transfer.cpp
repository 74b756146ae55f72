// Trees over a stream.
#include "agent/stream.hpp"
#include "agent/tree.hpp"

#include <array>

namespace banger::agent {

namespace {

/// The receiver may give up early (disk full): then it says so, and what follows would be sent in vain.
void throw_if_refused(FrameStream& stream) {
    if (!stream.readable())
        return;
    const auto frame = stream.receive_answer();
    throw Error(ErrorCode::InvalidArgument,
                "unexpected frame while sending: type " + std::to_string(static_cast<int>(frame.type)));
}

/// The next bytes, or the hole that is next; how many.
uint64_t send_piece(FrameStream& stream, EntrySource& source, std::span<char> buffer) {
    if (const auto hole = source.hole(); hole > 0) {
        stream.send_lazily(FrameType::Hole, encode_count("bytes", hole));
        return hole;
    }
    const auto n = source.read(buffer);
    stream.send_lazily(FrameType::Data, {buffer.data(), n});
    return n;
}

/// Content of the entry that is open; how many bytes of it. Never none: a sink hears only of what it is to
/// write.
uint64_t take_piece(const Frame& frame, uint64_t left, EntrySink& sink) {
    const bool hole = frame.type == FrameType::Hole;
    const auto size = hole ? parse_count("bytes", frame.payload) : frame.payload.size();
    if (size == 0)
        throw Error(ErrorCode::InvalidArgument, "a transfer holds an empty piece of content");
    if (size > left)
        throw Error(ErrorCode::InvalidArgument, "a transfer holds more data than its entry announced");
    if (hole)
        sink.hole(size);
    else
        sink.data(frame.payload);
    return size;
}

} // namespace

TransferSummary send_tree(FrameStream& stream, EntrySource& source) {
    TransferSummary summary;
    std::array<char, max_payload> buffer;
    while (const auto entry = source.next()) {
        stream.send_lazily(FrameType::Entry, encode_entry(*entry));
        summary.files++;
        uint64_t left = entry->type == EntryType::File ? entry->size : 0;
        while (left > 0) {
            const auto n = send_piece(stream, source, buffer);
            if (n == 0 || n > left)
                throw Error(ErrorCode::Internal,
                            "the content of " + entry->path + " is not as long as announced");
            left -= n;
            summary.bytes += n;
            throw_if_refused(stream);
        }
        throw_if_refused(stream);
    }
    stream.send(FrameType::EntriesEnd);
    summary.skipped = source.skipped();
    return summary;
}

TransferSummary receive_tree(FrameStream& stream, EntrySink& sink) {
    TransferSummary summary;
    uint64_t left = 0;
    bool open = false;
    for (;;) {
        const auto frame = stream.receive_answer();
        if (frame.type == FrameType::Data || frame.type == FrameType::Hole) {
            if (!open)
                throw Error(ErrorCode::InvalidArgument, "a transfer holds content that belongs to no entry");
            const auto taken = take_piece(frame, left, sink);
            left -= taken;
            summary.bytes += taken;
            continue;
        }
        if (left > 0)
            throw Error(ErrorCode::InvalidArgument, "a transfer holds less data than its entry announced");
        if (open)
            sink.end();
        open = false;
        if (frame.type == FrameType::EntriesEnd)
            break;
        if (frame.type != FrameType::Entry)
            throw Error(ErrorCode::InvalidArgument, "unexpected frame in a transfer");
        const auto entry = parse_entry(frame.payload);
        sink.begin(entry);
        summary.files++;
        left = entry.size;
        open = true;
    }
    sink.finish();
    return summary;
}

} // namespace banger::agent
