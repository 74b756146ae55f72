#include "base/size.hpp"
#include "scratch.hpp"

#include <doctest/doctest.h>

using namespace banger;
using test::code_of;

TEST_CASE("sizes as people write them") {
    CHECK(parse_size("1") == 1);
    CHECK(parse_size("512") == 512);
    CHECK(parse_size("512", 1024) == 512 * 1024);
    CHECK(parse_size("512B", 1024) == 512);
    CHECK(parse_size("4G") == 4ULL << 30);
    CHECK(parse_size("4g") == 4ULL << 30);
    CHECK(parse_size("4GB") == 4ULL << 30);
    CHECK(parse_size("1.5GiB") == 3ULL << 29);
    CHECK(parse_size("64KiB") == 64 << 10);
    CHECK(parse_size("2T") == 2ULL << 40);
    CHECK(parse_size("0.5K") == 512);
}

TEST_CASE("what is not a size is refused") {
    for (const auto* text : {"",
                             "0",
                             "0G",
                             "-1",
                             "-4G",
                             "G",
                             "4X",
                             "4GG",
                             "4 G",
                             " 4G",
                             "4G ",
                             "4Gi",
                             "1e3",
                             "0x10",
                             "inf",
                             "nan",
                             "1.2.3",
                             "4G\n",
                             "9999999999999999999999",
                             "9000000T",
                             "0.1",
                             "+5"})
        CHECK_MESSAGE(code_of([&] { parse_size(text); }) == "InvalidArgument", text);
    CHECK(code_of([] { parse_size(std::string("4G\0x", 4)); }) == "InvalidArgument");
    CHECK(code_of([] { parse_size(std::string(100'000, '9')); }) == "InvalidArgument");
}

TEST_CASE("sizes for people") {
    CHECK(human_size(0) == "0 B");
    CHECK(human_size(12) == "12 B");
    CHECK(human_size(1023) == "1023 B");
    CHECK(human_size(1024) == "1 KiB");
    CHECK(human_size(640 << 10) == "640 KiB");
    CHECK(human_size(1288490189) == "1.2 GiB");
    CHECK(human_size(2ULL << 30) == "2 GiB");
    CHECK(human_size(UINT64_MAX) == "16384 PiB");
}

TEST_CASE("a size that was shown can be typed again") {
    for (const uint64_t bytes : {1ULL << 10, 4ULL << 30, 640ULL << 10}) {
        auto text = human_size(bytes);
        text.erase(text.find(' '), 1);
        CHECK(parse_size(text) == bytes);
    }
}
