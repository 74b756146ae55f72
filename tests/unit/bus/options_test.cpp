#include "../base/scratch.hpp"
#include "bus/options.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>

using namespace banger;
using bus::Options;
using bus::Variants;
using sdbus::Variant;
using test::code_of;

namespace {

const std::string refused = "InvalidArgument";

auto open_descriptors() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

} // namespace

TEST_CASE("values come with their type, once, and nothing is left") {
    Options options(Variants{{"name", Variant{std::string("box")}}, {"vcpus", Variant{uint32_t{2}}}});
    CHECK(options.take<std::string>("name") == "box");
    CHECK_FALSE(options.take<std::string>("name"));
    CHECK(options.require<uint32_t>("vcpus") == 2);
    CHECK_FALSE(options.take<bool>("start"));
    CHECK(options.take_or<bool>("start", true));
    options.finish();
}

TEST_CASE("a value of another type is refused, naming the key") {
    Options options(Variants{{"vcpus", Variant{std::string("two")}}});
    const auto error = test::error_of([&] { options.take<uint32_t>("vcpus"); });
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::InvalidArgument);
    CHECK(error->message().find("vcpus") != std::string::npos);
}

TEST_CASE("numbers are of one type only: a signed one is not taken for an unsigned one") {
    Options options(Variants{{"vcpus", Variant{int32_t{2}}}});
    CHECK(code_of([&] { options.take_number("vcpus", 1, 1, 32); }) == refused);
}

TEST_CASE("a missing required option is refused, naming the key") {
    Options options(Variants{});
    const auto error = test::error_of([&] { options.require<std::string>("suite"); });
    REQUIRE(error);
    CHECK(error->message().find("suite") != std::string::npos);
}

TEST_CASE("what nobody took is refused, and named, in bounds") {
    const Options unknown(Variants{{"colour", Variant{true}}, {"size", Variant{true}}});
    const auto error = test::error_of([&] { unknown.finish(); });
    REQUIRE(error);
    CHECK(error->message().find("colour, size") != std::string::npos);
    const Options huge(Variants{{std::string(100'000, 'k'), Variant{true}}});
    CHECK(test::error_of([&] { huge.finish(); })->message().size() < 200);
}

TEST_CASE("numbers have bounds, both of them allowed") {
    for (const uint32_t fine : {1U, 2U, 32U})
        CHECK(Options(Variants{{"n", Variant{fine}}}).take_number("n", 2, 1, 32) == fine);
    for (const uint32_t bad : {0U, 33U, UINT32_MAX})
        CHECK(code_of([&] { Options(Variants{{"n", Variant{bad}}}).take_number("n", 2, 1, 32); }) == refused);
    CHECK(Options(Variants{}).take_number("n", 2, 1, 32) == 2);
}

TEST_CASE("the operation id: the caller's, a new one, or a refusal") {
    const std::string id(32, 'a');
    Options given(Variants{{"op-id", Variant{id}}});
    CHECK(given.op_id() == id);
    given.finish();
    const Options made(Variants{});
    CHECK(made.op_id().size() == 32);
    CHECK(made.op_id() != Options(Variants{}).op_id());
    CHECK(code_of([] { Options(Variants{{"op-id", Variant{std::string("x\ny")}}}); }) == refused);
    CHECK(code_of([] { Options(Variants{{"op-id", Variant{uint32_t{1}}}}); }) == refused);
}

TEST_CASE("a descriptor is the taker's; one that nobody takes is closed") {
    int taken = -1;
    {
        Options options(
            Variants{{"kernel", Variant{sdbus::UnixFd(::open("/dev/null", O_RDONLY), sdbus::adopt_fd)}}});
        auto fd = options.take_fd("kernel");
        REQUIRE(fd);
        CHECK_FALSE(options.take_fd("kernel"));
        taken = fd.release();
    }
    CHECK(::fcntl(taken, F_GETFD) >= 0);
    ::close(taken);
    const auto before = open_descriptors();
    {
        const Options options(
            Variants{{"kernel", Variant{sdbus::UnixFd(::open("/dev/null", O_RDONLY), sdbus::adopt_fd)}}});
        CHECK(open_descriptors() > before);
    }
    CHECK(open_descriptors() == before);
}
