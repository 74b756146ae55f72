#include "loop_help.hpp"
#include "qemu/serial_vsock.hpp"

#include <doctest/doctest.h>

using namespace banger;
using namespace banger::qemu;
using link::FrameType;

namespace {

struct Guest {
    OwnedFd fd;
    link::Decoder decoder;

    void say(FrameType type) const { write_all(fd.get(), link::encode(type), "frame"); }
    std::optional<link::Frame> poll() {
        std::string bytes;
        test::drain(fd.get(), bytes);
        decoder.feed(bytes);
        return decoder.next();
    }
    bool gets(FrameType type) {
        return test::turn_until([&] {
            const auto frame = poll();
            return frame && frame->type == type;
        });
    }
};

struct Fixture {
    test::TemporaryDirectory directory;
    HybridListener listener{directory / "v.sock"};
    Guest host_end, session;
    std::optional<SerialVsock> vsock;

    Fixture() {
        auto [host, host_guest] = make_socketpair();
        auto [port, port_guest] = make_socketpair();
        test::make_non_blocking(host.get());
        test::make_non_blocking(port.get());
        host_end.fd = std::move(host_guest);
        session.fd = std::move(port_guest);
        std::vector<OwnedFd> ports;
        ports.push_back(std::move(port));
        vsock.emplace(listener, std::move(host), std::move(ports),
                      SerialVsock::Limits{2, std::chrono::milliseconds(100), {}});
    }
    OwnedFd client() {
        auto fd = connect_unix(listener.path());
        write_all(fd.get(), "CONNECT 1024\n", "line");
        return fd;
    }
    static std::string read_line(const OwnedFd& fd) {
        std::string text;
        test::turn_until([&] { return !test::drain(fd.get(), text) || text.ends_with("\n"); });
        return text;
    }
};

} // namespace

TEST_CASE_FIXTURE(Fixture, "clients take turns at the only port") {
    session.say(FrameType::Reset);
    REQUIRE(session.gets(FrameType::ResetDone));
    auto first = client();
    REQUIRE(session.gets(FrameType::Open));
    session.say(FrameType::Accept);
    CHECK(read_line(first).starts_with("OK "));
    const auto second = client();
    auto leaver = client();
    REQUIRE(test::turn_until([&] { return vsock->waiting() == 2; }));
    const auto turned_away = client(); // the queue is full
    CHECK(read_line(turned_away).empty());
    leaver.reset();
    CHECK(test::turn_until([&] { return vsock->waiting() == 1; }));
    first.reset();
    REQUIRE(session.gets(FrameType::End));
    session.say(FrameType::End);
    REQUIRE(session.gets(FrameType::Open));
    session.say(FrameType::Accept);
    CHECK(read_line(second).starts_with("OK "));
    CHECK(vsock->waiting() == 0);
}

TEST_CASE_FIXTURE(Fixture, "a guest that is not there turns clients away after a moment") {
    const auto lost = client();
    CHECK(read_line(lost).empty());
}

TEST_CASE_FIXTURE(Fixture, "a client that came too early is served when the guest comes up") {
    const auto early = client();
    REQUIRE(test::turn_until([&] { return vsock->waiting() == 1; }));
    session.say(FrameType::Reset);
    REQUIRE(session.gets(FrameType::Open));
    session.say(FrameType::Accept);
    CHECK(read_line(early).starts_with("OK "));
}

TEST_CASE_FIXTURE(Fixture, "guest-initiated streams go by the host port") {
    const auto ready = listen_unix(listener.path() + "_1025");
    host_end.say(FrameType::Reset);
    REQUIRE(host_end.gets(FrameType::ResetDone));
    write_all(host_end.fd.get(), link::encode_open(1025) + link::encode_data("hello"), "frames");
    REQUIRE(host_end.gets(FrameType::Accept));
    const OwnedFd peer(::accept(ready.get(), nullptr, nullptr));
    REQUIRE(peer);
    std::string text;
    CHECK(test::turn_until([&] { return test::drain(peer.get(), text) && text == "hello"; }));
}
