#include "base/error.hpp"
#include "scratch.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <set>

using namespace banger;

namespace {

constexpr int code_count = static_cast<int>(ErrorCode::Internal) + 1;

Error round_trip(const Error& error) {
    return Error::from_wire(error.code(), error.to_wire());
}

} // namespace

TEST_CASE("every error code has its own name and exit status, and is found again by both forms of the name") {
    std::set<std::string_view> names;
    std::set<int> statuses;
    for (int i = 0; i < code_count; ++i) {
        const auto& kind = error_kind(static_cast<ErrorCode>(i));
        CHECK(kind.code == static_cast<ErrorCode>(i));
        CHECK(error_code_named(kind.name) == kind.code);
        CHECK(error_code_named(std::string(dbus_error_prefix) + std::string(kind.name)) == kind.code);
        CHECK(kind.exit_status > 0);
        CHECK(kind.exit_status < run_failure_status);
        names.insert(kind.name);
        statuses.insert(kind.exit_status);
    }
    CHECK(names.size() == code_count);
    CHECK(statuses.size() == code_count);
}

TEST_CASE("an unknown error name is Internal") {
    CHECK(error_code_named("org.banger.Error.FromTheFuture") == ErrorCode::Internal);
    CHECK(error_code_named("") == ErrorCode::Internal);
    CHECK(error_code_named("org.banger.Error.") == ErrorCode::Internal);
}

TEST_CASE("an error goes over the wire and back with all that is known") {
    Error error(ErrorCode::Timeout, "the guest was not ready", "look at the console");
    error.at_step("boot").with_details("line one\nline two").in_operation("00112233445566778899aabbccddeeff");
    const auto back = round_trip(error);
    CHECK(back.code() == ErrorCode::Timeout);
    CHECK(back.message() == error.message());
    CHECK(back.hint() == error.hint());
    CHECK(back.step() == "boot");
    CHECK(back.details() == "line one\nline two");
    CHECK(back.op_id() == error.op_id());
}

TEST_CASE("the wire text reads well for a client that knows nothing of its lines") {
    Error error(ErrorCode::NotFound, "no VM is called box", "`banger vm list` shows what there is");
    error.in_operation("00112233445566778899aabbccddeeff");
    CHECK(error.to_wire() == "no VM is called box\nhint: `banger vm list` shows what there is\n"
                             "operation: 00112233445566778899aabbccddeeff");
}

TEST_CASE("what is not known leaves no line") {
    CHECK(Error(ErrorCode::Busy, "busy").to_wire() == "busy");
    const auto back = round_trip(Error(ErrorCode::Busy, "busy"));
    CHECK(back.message() == "busy");
    CHECK(back.hint().empty());
    CHECK(back.step().empty());
    CHECK(back.details().empty());
    CHECK(back.op_id().empty());
}

TEST_CASE("foreign text without our lines is all message") {
    const auto error = Error::from_wire(ErrorCode::Internal, "first\nsecond\nthird");
    CHECK(error.message() == "first\nsecond\nthird");
    CHECK(Error::from_wire(ErrorCode::Internal, "").message().empty());
}

TEST_CASE("the innermost place knows best: what was set is kept") {
    Error error(ErrorCode::Internal, "x", "first hint");
    error.at_step("inner").at_step("outer").with_hint("second hint");
    error.in_operation("a").in_operation("b").with_details("c").with_details("d");
    CHECK(error.step() == "inner");
    CHECK(error.hint() == "first hint");
    CHECK(error.op_id() == "a");
    CHECK(error.details() == "c");
}

TEST_CASE("errno becomes the code that tells the caller what to do") {
    CHECK(errno_error("open /x", EACCES).code() == ErrorCode::NotAuthorized);
    CHECK(errno_error("open /x", EPERM).code() == ErrorCode::NotAuthorized);
    CHECK(errno_error("open /x", ENOENT).code() == ErrorCode::NotFound);
    CHECK(errno_error("open /x", EEXIST).code() == ErrorCode::AlreadyExists);
    CHECK(errno_error("open /x", EBUSY).code() == ErrorCode::Busy);
    CHECK(errno_error("open /x", EIO).code() == ErrorCode::Internal);
    const auto full = errno_error("write /x", ENOSPC);
    CHECK(full.code() == ErrorCode::FailedPrecondition);
    CHECK_FALSE(full.hint().empty());
    CHECK(full.message().starts_with("write /x: "));
}
