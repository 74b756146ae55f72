#include "agent/link.hpp"

#include "base/error.hpp"

#include <algorithm>

namespace banger::link {

namespace {

unsigned byte_at(std::string_view text, size_t index) {
    return static_cast<unsigned char>(text[index]);
}

bool length_fits(FrameType type, size_t length) {
    switch (type) {
    case FrameType::Open:
        return length == 4;
    case FrameType::Data:
    case FrameType::Refuse:
        return length <= max_payload;
    case FrameType::Accept:
    case FrameType::End:
    case FrameType::Reset:
    case FrameType::ResetDone:
        return length == 0;
    }
    return false; // a type that does not exist
}

void append_frame(std::string& out, FrameType type, std::string_view payload) {
    out += static_cast<char>(type);
    out += '\0';
    out += static_cast<char>(payload.size() & 0xff);
    out += static_cast<char>(payload.size() >> 8);
    out += payload;
}

} // namespace

std::string encode(FrameType type, std::string_view payload) {
    if (!length_fits(type, payload.size()))
        throw Error(ErrorCode::Internal, "serial link frame with a payload that does not fit its type");
    std::string bytes;
    bytes.reserve(header_size + payload.size());
    append_frame(bytes, type, payload);
    return bytes;
}

std::string encode_open(uint32_t port) {
    std::string payload;
    for (int shift = 0; shift < 32; shift += 8)
        payload += static_cast<char>(port >> shift & 0xff);
    return encode(FrameType::Open, payload);
}

uint32_t open_port(const Frame& frame) {
    if (frame.type != FrameType::Open || frame.payload.size() != 4)
        throw Error(ErrorCode::Internal, "asked for the port of a frame that opens nothing");
    uint32_t port = 0;
    for (size_t i = 0; i < 4; i++)
        port |= byte_at(frame.payload, i) << (8 * i);
    return port;
}

std::string encode_data(std::string_view bytes) {
    std::string frames;
    frames.reserve(bytes.size() + header_size * (bytes.size() / data_chunk + 1));
    for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), data_chunk)))
        append_frame(frames, FrameType::Data, bytes.substr(0, data_chunk));
    return frames;
}

void Decoder::feed(std::string_view bytes) {
    // Move what is left to the front only when it is small beside what was consumed, so that feeding stays
    // linear.
    if (start_ > 0 && start_ >= buffer_.size() / 2) {
        buffer_.erase(0, start_);
        start_ = 0;
    }
    buffer_ += bytes;
}

std::optional<Frame> Decoder::next() {
    const auto rest = std::string_view(buffer_).substr(start_);
    if (rest.size() < header_size)
        return std::nullopt;
    const auto type = static_cast<FrameType>(byte_at(rest, 0));
    const size_t length = byte_at(rest, 2) | byte_at(rest, 3) << 8;
    if (byte_at(rest, 1) != 0 || !length_fits(type, length))
        throw Error(ErrorCode::InvalidArgument, "malformed frame on the serial link");
    if (rest.size() < header_size + length)
        return std::nullopt;
    start_ += header_size + length;
    return Frame{type, std::string(rest.substr(header_size, length))};
}

void Decoder::clear() noexcept {
    buffer_.clear();
    start_ = 0;
}

} // namespace banger::link
