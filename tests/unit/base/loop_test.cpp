#include "base/fd.hpp"
#include "base/loop.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <csignal>
#include <thread>

using namespace banger;
using namespace std::chrono_literals;

namespace {

/// A loop that a test waits in, with a limit that is a failure.
struct BoundedLoop : Loop {
    void run_to_quit() {
        bool late = false;
        const Timer limit(30s, [&] {
            late = true;
            quit();
            return false;
        });
        run();
        REQUIRE_FALSE(late);
    }
};

} // namespace

TEST_CASE("posted tasks run in order, and later than the call, from any thread") {
    BoundedLoop loop;
    std::string order;
    loop.post([&] { order += "1"; });
    loop.post([&] {
        loop.post([&] { order += "4"; });
        order += "2";
    });
    loop.post([&] { order += "3"; });
    CHECK(order.empty());
    std::jthread other([&] { loop.post([&] { loop.post([&] { loop.post([&] { loop.quit(); }); }); }); });
    loop.run_to_quit();
    CHECK(order == "1234");
}

TEST_CASE("a timer repeats while it is asked to, and a cancelled one never fires") {
    BoundedLoop loop;
    int count = 0;
    bool cancelled_fired = false;
    Timer cancelled(1ms, [&] {
        cancelled_fired = true;
        return false;
    });
    cancelled.cancel();
    CHECK_FALSE(cancelled.active());
    Timer timer(1ms, [&] {
        if (++count < 3)
            return true;
        loop.quit();
        return false;
    });
    CHECK(timer.active());
    loop.run_to_quit();
    CHECK(count == 3);
    CHECK_FALSE(timer.active());
    CHECK_FALSE(cancelled_fired);
}

TEST_CASE("a timer may be replaced from within its own task") {
    BoundedLoop loop;
    Timer timer;
    timer = Timer(1ms, [&] {
        timer = Timer(1ms, [&] {
            loop.quit();
            return false;
        });
        return false;
    });
    loop.run_to_quit();
}

TEST_CASE("a watched descriptor: data, and the end of file") {
    BoundedLoop loop;
    auto [read_end, write_end] = make_pipe();
    std::string seen;
    const FdWatch watch(read_end.get(), [&, fd = read_end.get()] {
        char byte = 0;
        if (::read(fd, &byte, 1) == 1) {
            seen += byte;
            return true;
        }
        loop.quit();
        return false;
    });
    write_all(write_end.get(), "abc", "pipe");
    write_end.reset();
    loop.run_to_quit();
    CHECK(seen == "abc");
}

TEST_CASE("SIGTERM and SIGINT are told in the loop") {
    for (const int number : {SIGTERM, SIGINT}) {
        BoundedLoop loop;
        loop.on_terminate([&] { loop.quit(); });
        ::kill(::getpid(), number);
        loop.run_to_quit();
    }
}

TEST_CASE("a worker hands its value to the loop's thread") {
    BoundedLoop loop;
    const auto loop_thread = std::this_thread::get_id();
    std::thread::id worked_in;
    int answer = 0;
    const auto worker = Worker::start<int>(
        loop,
        [&](const std::stop_token&) {
            worked_in = std::this_thread::get_id();
            return 42;
        },
        [&](Outcome<int> outcome) {
            CHECK(std::this_thread::get_id() == loop_thread);
            answer = std::get<int>(outcome);
            loop.quit();
        });
    loop.run_to_quit();
    CHECK(answer == 42);
    CHECK(worked_in != loop_thread);
}

TEST_CASE("a worker's exception becomes an Error") {
    const auto outcome_of = [](const std::function<int(std::stop_token)>& work) {
        BoundedLoop loop;
        std::optional<Outcome<int>> result;
        const auto worker = Worker::start<int>(loop, work, [&](Outcome<int> outcome) {
            result = std::move(outcome);
            loop.quit();
        });
        loop.run_to_quit();
        return std::get<Error>(*result);
    };
    const auto ours = outcome_of([](const std::stop_token&) -> int { throw Error(ErrorCode::Busy, "busy"); });
    CHECK(ours.code() == ErrorCode::Busy);
    const auto foreign =
        outcome_of([](const std::stop_token&) -> int { throw std::runtime_error("broken"); });
    CHECK(foreign.code() == ErrorCode::Internal);
    CHECK(foreign.message() == "broken");
}

TEST_CASE("dropping a worker stops it, waits for it, and its answer is never told") {
    BoundedLoop loop;
    bool ended = false;
    bool told = false;
    {
        const auto worker = Worker::start<int>(
            loop,
            [&](const std::stop_token& stop) {
                auto [read_end, write_end] = make_pipe();
                const std::stop_callback wake(stop, [&] { write_all(write_end.get(), "x", "pipe"); });
                wait_readable(read_end.get(), -1);
                ended = true;
                return 1;
            },
            [&](const Outcome<int>&) { told = true; });
    }
    CHECK(ended);
    loop.post([&] { loop.quit(); });
    loop.run_to_quit();
    CHECK_FALSE(told);
}

TEST_CASE("a worker may be replaced by another, which drops the first") {
    BoundedLoop loop;
    int told = 0;
    Worker worker;
    for (int i = 1; i <= 3; ++i)
        worker = Worker::start<int>(
            loop, [i](const std::stop_token&) { return i; },
            [&](const Outcome<int>& outcome) {
                told = std::get<int>(outcome);
                loop.quit();
            });
    loop.run_to_quit();
    CHECK(told == 3);
}
