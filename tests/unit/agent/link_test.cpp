#include "agent/link.hpp"
#include "base/error.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace banger;
using link::FrameType;

TEST_CASE("link frames have the documented bytes") {
    CHECK(link::encode(FrameType::Accept) == std::string("\x02\0\0\0", 4));
    CHECK(link::encode_open(1024) == std::string("\x01\0\x04\0\0\x04\0\0", 8));
    CHECK(link::encode(FrameType::Data, "hi") == std::string("\x04\0\x02\0hi", 6));
    CHECK_THROWS_AS(link::encode(FrameType::End, "x"), Error);
    CHECK_THROWS_AS(link::encode(FrameType::Data, std::string(link::max_payload + 1, 'x')), Error);
}

TEST_CASE("link frames survive any cutting of the stream") {
    const std::string big(100'000, 'z');
    const auto bytes = link::encode(FrameType::Reset) + link::encode_open(0xfedcba98) +
                       link::encode_data(big) + link::encode(FrameType::End);
    for (const size_t step : {size_t{1}, size_t{3}, size_t{4096}, bytes.size()}) {
        link::Decoder decoder;
        std::string data;
        std::vector<FrameType> types;
        for (size_t at = 0; at < bytes.size(); at += step) {
            decoder.feed(std::string_view(bytes).substr(at, step));
            while (const auto frame = decoder.next()) {
                types.push_back(frame->type);
                if (frame->type == FrameType::Open)
                    CHECK(link::open_port(*frame) == 0xfedcba98);
                if (frame->type == FrameType::Data)
                    data += frame->payload;
            }
        }
        CHECK(data == big);
        REQUIRE(types.size() == 7);
        CHECK(types.front() == FrameType::Reset);
        CHECK(types.back() == FrameType::End);
    }
}

TEST_CASE("malformed link frames are refused, for good") {
    for (const auto& bytes :
         {std::string("\0\0\0\0", 4), std::string("\x08\0\0\0", 4), std::string("\x04\x01\0\0", 4),
          std::string("\x04\0\x01\x80", 4), std::string("\x05\0\x01\0", 4), std::string("\x01\0\x03\0", 4)}) {
        link::Decoder decoder;
        decoder.feed(bytes);
        CHECK_THROWS_AS(decoder.next(), Error);
        CHECK_THROWS_AS(decoder.next(), Error);
        decoder.clear();
        decoder.feed(link::encode(FrameType::Accept));
        CHECK(decoder.next()->type == FrameType::Accept);
    }
}
