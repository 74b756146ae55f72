#include "base/error.hpp"
#include "daemon/wait.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <thread>

using namespace banger;
using namespace banger::daemon;

namespace {

ErrorCode outcome(std::initializer_list<int> fds, const std::stop_token& token,
                  std::optional<Clock::time_point> end) {
    const StopEvent stop(token);
    try {
        wait_any(fds, stop, end, "it");
    } catch (const Error& error) {
        return error.code();
    }
    FAIL("came back");
    return ErrorCode::Internal;
}

} // namespace

TEST_CASE("the first that is ready is told") {
    const auto [read, write] = make_pipe();
    const auto [other_read, other_write] = make_pipe();
    const StopEvent stop({});
    write_all(other_write.get(), std::string_view("x"), "pipe");
    CHECK(wait_any({read.get(), other_read.get()}, stop, {}, "it") == 1);
    write_all(write.get(), std::string_view("x"), "pipe");
    CHECK(wait_any({read.get(), other_read.get()}, stop, {}, "it") == 0);
    CHECK(wait_any({-1, read.get()}, stop, {}, "it") == 1);
}

TEST_CASE("time runs out") {
    const auto [read, write] = make_pipe();
    CHECK(outcome({read.get()}, {}, Clock::now() + std::chrono::milliseconds(5)) == ErrorCode::Timeout);
    CHECK(outcome({read.get()}, {}, Clock::now() - std::chrono::hours(1)) == ErrorCode::Timeout);
}

TEST_CASE("a stop ends the wait, before it and meanwhile, and counts more than what is ready") {
    const auto [read, write] = make_pipe();
    std::stop_source early;
    early.request_stop();
    write_all(write.get(), std::string_view("x"), "pipe");
    CHECK(outcome({read.get()}, early.get_token(), {}) == ErrorCode::Cancelled);

    const auto [quiet, end] = make_pipe();
    std::stop_source late;
    std::jthread other([&] { late.request_stop(); });
    CHECK(outcome({quiet.get()}, late.get_token(), {}) == ErrorCode::Cancelled);
}
