#include "agent/client_sink.hpp"
#include "base/fd.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <csignal>

using namespace banger;
using namespace banger::agent;

namespace {

/// Writes `text` into the sink and reads it at the other end, never waiting for what cannot come.
std::string through(OutputSink& sink, int reader, const std::string& text) {
    std::string got;
    std::array<char, 10'000> buffer{};
    sink.add(text);
    while (got.size() < text.size()) {
        pollfd writable{sink.unwritten() > 0 ? sink.fd() : -1, POLLOUT, 0};
        ::poll(&writable, 1, 0);
        if (writable.revents != 0)
            REQUIRE(sink.write_some());
        REQUIRE(wait_readable(reader, 10'000));
        const auto n = ::read(reader, buffer.data(), buffer.size());
        REQUIRE(n > 0);
        got.append(buffer.data(), static_cast<size_t>(n));
    }
    return got;
}

std::string numbers() {
    std::string text;
    for (int i = 0; i < 100'000; i++)
        text += std::to_string(i) + "\n";
    return text;
}

} // namespace

TEST_CASE("a pipe and a socket get all of it, and their descriptors stay as they are") {
    const auto text = numbers();
    auto [pipe_out, pipe_in] = make_pipe();
    auto [one, other] = make_socketpair();
    for (const auto& [to, from] :
         {std::pair(pipe_in.get(), pipe_out.get()), std::pair(one.get(), other.get())}) {
        OutputSink sink(to);
        CHECK(through(sink, from, text) == text);
        CHECK(sink.unwritten() == 0);
        CHECK((::fcntl(to, F_GETFL) & O_NONBLOCK) == 0);
    }
}

TEST_CASE("more than fits is kept, without waiting") {
    auto [out, in] = make_pipe();
    OutputSink sink(in.get());
    const std::string much(1 << 20, 'x');
    sink.add(much);
    CHECK(sink.write_some());
    CHECK(sink.write_some()); // full: nothing goes, and nothing waits
    CHECK(sink.unwritten() > 0);
    CHECK(sink.unwritten() < much.size());
}

TEST_CASE("a reader that is gone is told") {
    const auto before = std::signal(SIGPIPE, SIG_IGN);
    auto [out, in] = make_pipe();
    OutputSink sink(in.get());
    out.reset();
    sink.add("x");
    CHECK_FALSE(sink.write_some());
    sink.close();
    sink.add("y");
    CHECK(sink.unwritten() == 0);
    std::signal(SIGPIPE, before);
}
