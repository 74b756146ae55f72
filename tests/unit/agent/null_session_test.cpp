#include "agent/client.hpp"
#include "agent/null_session.hpp"

#include <doctest/doctest.h>

#include <future>

using namespace banger;
using namespace banger::agent;

namespace {

/// Runs `use` with the host's end of a null session; how the session ended.
template <class Use>
NullSessionEnd with_null(Use&& use) {
    auto [host, guest] = make_socketpair();
    auto served = std::async(std::launch::async, [fd = guest.get()] { return serve_null_session(fd); });
    use(host.get());
    host.reset();
    return served.get();
}

const Deadline soon = Clock::now() + std::chrono::seconds(60);

} // namespace

TEST_CASE("the null session answers as an agent does") {
    CHECK(with_null([](int fd) { CHECK(info(fd, soon).kernel == "null"); }) == NullSessionEnd::Ordinary);
    with_null([](int fd) {
        const std::string input(1'000'000, 'i');
        const auto result = exec_captured(fd, {{"cat"}}, input);
        CHECK(result.status == 0);
        CHECK(result.out == input);
    });
    with_null([](int fd) {
        ExecRequest request{{"sleep"}};
        request.timeout_ms = 30;
        auto [idle, keep] = make_pipe();
        ExecStreams streams;
        streams.in = idle.get();
        CHECK(exec(fd, request, streams) == 124);
    });
    with_null([](int fd) {
        TreeReader reader("/etc/passwd");
        const auto summary = put(fd, {"/x", false}, reader);
        CHECK(summary.files == 1);
        CHECK(summary.bytes > 0);
    });
    with_null([](int fd) { CHECK(stat(fd, {"/x"}, soon).type == PathType::None); });
    with_null([](int fd) { CHECK(stat(fd, {"/root"}, soon).type == PathType::Directory); });
    with_null([](int fd) { CHECK(ports(fd, soon).empty()); });
    with_null([](int fd) { CHECK(stats(fd, soon).disks.empty()); });
    with_null([](int fd) { set_time(fd, {5}, soon); });
    CHECK(with_null([](int fd) { shutdown(fd, {}, soon); }) == NullSessionEnd::ShutdownAsked);
}

TEST_CASE("nonsense ends a null session with an error frame") {
    with_null([](int fd) {
        FrameStream stream(fd, soon);
        stream.send(FrameType::StdinEof);
        CHECK(stream.receive()->type == FrameType::Error);
    });
    with_null([](int fd) { write_all(fd, std::string(100, '\xff'), "nonsense"); });
}
