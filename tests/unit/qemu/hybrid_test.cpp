#include "base/error.hpp"
#include "loop_help.hpp"
#include "qemu/hybrid.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

using namespace banger;
using namespace banger::qemu;

TEST_CASE("the request line is read as Firecracker reads it") {
    CHECK(parse_connect("CONNECT 1024") == 1024);
    CHECK(parse_connect("connect 0") == 0);
    CHECK(parse_connect("  CoNnEcT \t 4294967295  \r") == 4294967295);
    for (const auto* bad : {"", "CONNECT", "CONNECT ", "CONNECT x", "CONNECT -1", "CONNECT 4294967296",
                            "CONNECT 12x", "CONNECTS 1", "1024", "OK 1"})
        CHECK_MESSAGE(!parse_connect(bad), bad);
}

TEST_CASE("each connection gets a number of its own") {
    const auto first = next_ok_line();
    CHECK(first.starts_with("OK "));
    CHECK(first.ends_with("\n"));
    CHECK(first != next_ok_line());
}

namespace {

struct Fixture {
    test::TemporaryDirectory directory;
    std::string path = directory / "v.sock";
    HybridListener listener{path};
    std::vector<std::pair<OwnedFd, uint32_t>> connected;

    void serve() {
        listener.serve(
            [this](OwnedFd client, uint32_t port) { connected.emplace_back(std::move(client), port); });
    }
};

} // namespace

TEST_CASE_FIXTURE(Fixture, "a client says where to, in pieces, and what follows is left for the session") {
    struct stat status{};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    const auto client = connect_unix(path); // before anyone serves
    serve();
    write_all(client.get(), "CONN", "line");
    test::turn();
    CHECK(connected.empty());
    write_all(client.get(), "ECT 77\nhello", "line");
    REQUIRE(test::turn_until([&] { return !connected.empty(); }));
    CHECK(connected[0].second == 77);
    std::string rest;
    test::drain(connected[0].first.get(), rest);
    CHECK(rest == "hello");
}

TEST_CASE_FIXTURE(Fixture, "nonsense, endless lines and silent leavers are closed") {
    serve();
    for (const auto* text : {"GET / HTTP/1.1\n", "CONNECT 12345678901234567890123456789", "\n"}) {
        const auto client = connect_unix(path);
        write_all(client.get(), text, "line");
        std::string answer;
        CHECK(test::turn_until([&] { return !test::drain(client.get(), answer); }));
        CHECK(answer.empty());
    }
    connect_unix(path);
    test::turn();
    CHECK(connected.empty());
}

TEST_CASE_FIXTURE(Fixture, "a guest's connection goes to the socket of its port") {
    CHECK(!listener.connect_host(1025));
    const auto host = listen_unix(path + "_1025");
    CHECK(listener.connect_host(1025));
    CHECK(!listener.connect_host(1026));
}

TEST_CASE("the socket goes with its listener, and one that is there is refused") {
    test::TemporaryDirectory directory;
    const auto path = directory / "v.sock";
    {
        const HybridListener listener(path);
        CHECK_THROWS_AS(HybridListener{path}, Error);
    }
    CHECK(::access(path.c_str(), F_OK) != 0);
}
