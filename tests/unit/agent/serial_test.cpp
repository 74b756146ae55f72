#include "agent/protocol.hpp"
#include "agent/serial.hpp"
#include "agent_process.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <optional>

using namespace banger;
using banger::agent::agent_port;
using banger::agent::SerialPort;
using link::FrameType;

namespace {

/// The host's end of one port, and the port itself driven step by step.
struct Rig {
    OwnedFd host;
    link::Decoder decoder{};
    std::vector<OwnedFd> sessions{};
    std::optional<SerialPort> port{};

    Rig() {
        auto [ours, theirs] = make_socketpair();
        host = std::move(ours);
        ::fcntl(theirs.get(), F_SETFL, O_NONBLOCK);
        port.emplace(std::move(theirs), [this](OwnedFd fd) { sessions.push_back(std::move(fd)); });
    }
    explicit Rig(const std::string& message) {
        auto [ours, theirs] = make_socketpair();
        host = std::move(ours);
        ::fcntl(theirs.get(), F_SETFL, O_NONBLOCK);
        port.emplace(std::move(theirs), 1025, message);
    }
    void step() {
        for (int i = 0; i < 50; i++) {
            std::vector<pollfd> fds;
            port->add_poll(fds);
            if (::poll(fds.data(), fds.size(), 0) <= 0)
                return;
            size_t at = 0;
            port->handle(fds, at);
        }
    }
    void say(const std::string& bytes) {
        write_all(host.get(), bytes, "port");
        step();
    }
    std::optional<link::Frame> hear() {
        step();
        char buffer[65536];
        const auto n = ::recv(host.get(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (n > 0)
            decoder.feed({buffer, static_cast<size_t>(n)});
        return decoder.next();
    }
    FrameType hear_type() {
        const auto frame = hear();
        REQUIRE(frame);
        return frame->type;
    }
    void bring_up() {
        REQUIRE(hear_type() == FrameType::Reset);
        say(link::encode(FrameType::ResetDone));
    }
    void open() {
        say(link::encode_open(agent_port));
        REQUIRE(hear_type() == FrameType::Accept);
    }
};

std::string received(int fd) {
    char buffer[65536];
    const auto n = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    return n > 0 ? std::string(buffer, static_cast<size_t>(n)) : std::string(n == 0 ? "<end>" : "<nothing>");
}

} // namespace

TEST_CASE("a session over a port: open, data both ways, half-closes, another one") {
    Rig rig;
    rig.bring_up();
    for (int round = 0; round < 3; round++) {
        rig.open();
        const auto session = std::move(rig.sessions.back());
        rig.say(link::encode_data("to guest"));
        CHECK(received(session.get()) == "to guest");
        write_all(session.get(), "to host", "session");
        CHECK(rig.hear()->payload == "to host");
        if (round % 2 == 0) {
            rig.say(link::encode(FrameType::End));
            CHECK(received(session.get()) == "<end>");
            write_all(session.get(), "still", "session");
            CHECK(rig.hear()->payload == "still");
            ::shutdown(session.get(), SHUT_WR);
            CHECK(rig.hear_type() == FrameType::End);
        } else {
            ::shutdown(session.get(), SHUT_WR);
            CHECK(rig.hear_type() == FrameType::End);
            rig.say(link::encode_data("late"));
            CHECK(received(session.get()) == "late");
            rig.say(link::encode(FrameType::End));
            CHECK(received(session.get()) == "<end>");
        }
    }
}

TEST_CASE("a session that is gone does not block the port") {
    Rig rig;
    rig.bring_up();
    rig.open();
    rig.sessions.clear();
    CHECK(rig.hear_type() == FrameType::End);
    rig.say(link::encode_data(std::string(100'000, 'x')));
    rig.say(link::encode(FrameType::End));
    rig.open();
}

TEST_CASE("reset drops the session, from either side") {
    Rig rig;
    rig.bring_up();
    rig.open();
    auto session = std::move(rig.sessions.back());
    rig.say(link::encode_data("x") + link::encode(FrameType::Reset));
    CHECK(rig.hear_type() == FrameType::ResetDone);
    rig.open();
    CHECK(rig.sessions.size() == 2);
    rig.say(link::encode_open(agent_port)); // while a session stands: out of place
    CHECK(rig.hear_type() == FrameType::Reset);
    rig.say(link::encode_data("said before the reset was seen"));
    rig.say(link::encode(FrameType::Reset)); // both reset at once
    CHECK(rig.hear_type() == FrameType::ResetDone);
    rig.say(link::encode(FrameType::ResetDone));
    rig.open();
}

TEST_CASE("a session that ended without reading all does not hinder the next one") {
    Rig rig;
    rig.bring_up();
    rig.open();
    const auto first = std::move(rig.sessions.back());
    ::shutdown(first.get(), SHUT_WR);
    CHECK(rig.hear_type() == FrameType::End);
    for (int i = 0; i < 15; i++)
        rig.say(link::encode_data(std::string(30'000, 'x')));
    rig.say(link::encode(FrameType::End) + link::encode_open(agent_port) + link::encode_data("second"));
    CHECK(rig.hear_type() == FrameType::Accept);
    CHECK(received(rig.sessions.back().get()) == "second");
}

TEST_CASE("a request with a Reset behind it never reaches its session, however long it is") {
    Rig rig;
    rig.bring_up();
    std::string said = link::encode_open(agent_port);
    for (int i = 0; i < 5; i++)
        said += link::encode_data(std::string(30'000, 'x'));
    rig.say(said + link::encode(FrameType::Reset));
    CHECK(rig.hear_type() == FrameType::Accept);
    CHECK(rig.hear_type() == FrameType::ResetDone);
    REQUIRE(rig.sessions.size() == 1);
    CHECK(received(rig.sessions.back().get()) == "<end>");
}

TEST_CASE("foreign ports are refused, foreign bytes end the port") {
    Rig rig;
    rig.bring_up();
    rig.say(link::encode_open(22));
    CHECK(rig.hear_type() == FrameType::Refuse);
    rig.open();
    const auto session = std::move(rig.sessions.back());
    rig.say(std::string(100, '\xff'));
    CHECK(received(session.get()) == "<end>");
    CHECK(received(rig.host.get()) == "<end>");
}

TEST_CASE("what follows a refused Open is answered with Reset, and the port goes on") {
    Rig rig;
    rig.bring_up();
    rig.say(link::encode_open(22) + link::encode_data("ahead"));
    CHECK(rig.hear_type() == FrameType::Refuse);
    CHECK(rig.hear_type() == FrameType::Reset);
    rig.say(link::encode(FrameType::Reset) + link::encode(FrameType::ResetDone) +
            link::encode_open(agent_port) + link::encode_data("at once"));
    CHECK(rig.hear_type() == FrameType::ResetDone);
    CHECK(rig.hear_type() == FrameType::Accept);
    CHECK(received(rig.sessions.back().get()) == "at once");
}

TEST_CASE("the guest's own port says its message once") {
    Rig rig("ready!");
    rig.bring_up();
    const auto open = rig.hear();
    REQUIRE(open);
    CHECK(link::open_port(*open) == 1025);
    rig.say(link::encode(FrameType::Accept));
    CHECK(rig.hear()->payload == "ready!");
    CHECK(rig.hear_type() == FrameType::End);
    rig.say(link::encode(FrameType::End));
    rig.say(link::encode(FrameType::Reset));
    CHECK(rig.hear_type() == FrameType::ResetDone);
    CHECK_FALSE(rig.hear());
    rig.say(link::encode_open(agent_port));
    CHECK(rig.hear_type() == FrameType::Refuse);
}

TEST_CASE("a port whose host end left waits for the next one without spinning") {
    Rig rig;
    rig.bring_up();
    rig.open();
    rig.host.reset();
    rig.step();
    CHECK(received(rig.sessions.back().get()) == "<end>");
    CHECK(rig.port->away());
    std::vector<pollfd> fds;
    rig.port->add_poll(fds);
    CHECK(fds[0].fd == -1);
}
