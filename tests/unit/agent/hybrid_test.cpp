#include "agent/client.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

using namespace banger;
using namespace banger::agent;

namespace {

/// greet_hybrid() against a VMM that answers `answer`; what it left unread.
std::string left_after(const std::string& answer, bool close_end = true) {
    auto [host, vmm] = make_socketpair();
    write_all(vmm.get(), answer, "answer");
    if (close_end)
        ::shutdown(vmm.get(), SHUT_WR);
    greet_hybrid(host.get(), 1024, Clock::now() + std::chrono::milliseconds(200));
    ::shutdown(host.get(), SHUT_WR);
    CHECK(read_all(vmm.get(), 100, "request") == "CONNECT 1024\n");
    return read_all(host.get(), 100, "rest");
}

ErrorCode refusal(const std::string& answer, bool close_end = true) {
    try {
        left_after(answer, close_end);
    } catch (const Error& error) {
        return error.code();
    }
    return ErrorCode::Internal;
}

} // namespace

TEST_CASE("the hybrid greeting reads its line and no more") {
    CHECK(left_after("OK 1073741824\n").empty());
    CHECK(left_after("OK 5\nfirst bytes") == "first bytes");
}

TEST_CASE("anything but the greeting is refused") {
    for (const auto* answer :
         {"", "OK", "OK \n", "OK x\n", "NO 1\n", "OK 1 2\n", "OK -1\n", "OK 12345678901\n"})
        CHECK(refusal(answer) == ErrorCode::Unavailable);
    CHECK(refusal(std::string(1000, 'x')) == ErrorCode::Unavailable);
    CHECK(refusal("OK 1", /*close_end=*/false) == ErrorCode::Timeout);
    CHECK_THROWS_AS(connect_hybrid("/nonexistent/vsock.sock", 1024, {}), Error);
}
