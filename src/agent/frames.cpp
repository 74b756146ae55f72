// Framing of the session protocol.
#include "agent/protocol.hpp"

namespace banger::agent {

namespace {

unsigned byte_at(std::string_view text, size_t index) {
    return static_cast<unsigned char>(text[index]);
}

bool is_known(unsigned type) {
    return (type >= static_cast<unsigned>(FrameType::Request) &&
            type <= static_cast<unsigned>(FrameType::Hole)) ||
           (type >= static_cast<unsigned>(FrameType::Started) &&
            type <= static_cast<unsigned>(FrameType::Ready));
}

} // namespace

std::string frame_header(FrameType type, size_t length) {
    if (length > max_payload)
        throw Error(ErrorCode::InvalidArgument, "a message to the guest is larger than 64 KiB");
    std::string header{static_cast<char>(type), '\0'};
    for (int shift = 0; shift < 32; shift += 8)
        header += static_cast<char>(length >> shift & 0xff);
    return header;
}

std::string encode_frame(FrameType type, std::string_view payload) {
    return frame_header(type, payload.size()) + std::string(payload);
}

void FrameDecoder::feed(std::string_view bytes) {
    // Moved to the front only when what is left is small beside what was consumed, so that feeding stays
    // linear.
    if (start_ > 0 && start_ >= buffer_.size() / 2) {
        buffer_.erase(0, start_);
        start_ = 0;
    }
    buffer_ += bytes;
}

std::optional<Frame> FrameDecoder::next() {
    const auto rest = std::string_view(buffer_).substr(start_);
    if (rest.size() < frame_header_size)
        return std::nullopt;
    const size_t length = byte_at(rest, 2) | byte_at(rest, 3) << 8 | byte_at(rest, 4) << 16 |
                          static_cast<size_t>(byte_at(rest, 5)) << 24;
    if (!is_known(byte_at(rest, 0)) || byte_at(rest, 1) != 0 || length > max_payload)
        throw Error(ErrorCode::InvalidArgument, "malformed frame between host and guest");
    if (rest.size() < frame_header_size + length)
        return std::nullopt;
    start_ += frame_header_size + length;
    return Frame{static_cast<FrameType>(byte_at(rest, 0)),
                 std::string(rest.substr(frame_header_size, length))};
}

} // namespace banger::agent
