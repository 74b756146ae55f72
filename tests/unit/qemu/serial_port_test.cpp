#include "loop_help.hpp"
#include "qemu/serial_port.hpp"

#include <doctest/doctest.h>

using namespace banger;
using namespace banger::qemu;
using link::FrameType;
using State = SerialPort::State;

namespace {

/// A port between a guest's end, where frames are, and a client's.
struct Fixture {
    std::pair<OwnedFd, OwnedFd> wire = make_socketpair();
    std::pair<OwnedFd, OwnedFd> stream = make_socketpair();
    int freed = 0;
    OwnedFd host; ///< what on_guest_open gives
    link::Decoder decoder;
    SerialPort port;

    Fixture()
        : port(prepared(wire.first), {[this] { ++freed; }, [this](uint32_t) { return std::move(host); }},
               {std::chrono::milliseconds(150), std::chrono::milliseconds(50)}) {}

    static OwnedFd prepared(OwnedFd& fd) {
        test::make_non_blocking(fd.get());
        return std::move(fd);
    }
    int guest() const { return wire.second.get(); }
    int client() const { return stream.second.get(); }
    void say(FrameType type, std::string_view payload = {}) {
        write_all(guest(), link::encode(type, payload), "frame");
    }
    /// The next frame that the guest gets.
    link::Frame next() {
        std::optional<link::Frame> frame;
        REQUIRE(test::turn_until([&] {
            if ((frame = decoder.next()))
                return true;
            std::string bytes;
            test::drain(guest(), bytes);
            decoder.feed(bytes);
            frame = decoder.next();
            return frame.has_value();
        }));
        return *frame;
    }
    bool reaches(State state) {
        return test::turn_until([&] { return port.state() == state; });
    }
    void come_up() {
        say(FrameType::Reset);
        CHECK(next().type == FrameType::ResetDone);
        REQUIRE(port.state() == State::Idle);
    }
    void open() {
        test::make_non_blocking(stream.first.get());
        port.open(std::move(stream.first), 1024, "OK 5\n");
        const auto frame = next();
        REQUIRE(frame.type == FrameType::Open);
        CHECK(link::open_port(frame) == 1024);
        CHECK(port.state() == State::Opening);
    }
    void accept() {
        say(FrameType::Accept);
        std::string text;
        REQUIRE(test::turn_until([&] {
            test::drain(client(), text);
            return text == "OK 5\n";
        }));
        CHECK(port.state() == State::Open);
    }
    bool client_closed() {
        std::string text;
        return test::turn_until([&] { return !test::drain(client(), text); });
    }
};

} // namespace

TEST_CASE_FIXTURE(Fixture, "a port is down until the guest opens it") {
    CHECK(port.state() == State::Down);
    say(FrameType::Data, "of a former owner");
    test::turn();
    CHECK(port.state() == State::Down);
    come_up();
    CHECK(freed == 1);
}

TEST_CASE_FIXTURE(Fixture,
                  "a stream is opened, carries both ways, half-closes both ways and leaves the port free") {
    come_up();
    open();
    accept();
    write_all(client(), "question", "client");
    auto frame = next();
    CHECK(frame.type == FrameType::Data);
    CHECK(frame.payload == "question");
    ::shutdown(client(), SHUT_WR);
    CHECK(next().type == FrameType::End);
    say(FrameType::Data, "answer");
    say(FrameType::End);
    std::string text;
    CHECK(test::turn_until([&] { return !test::drain(client(), text); }));
    CHECK(text == "answer");
    CHECK(port.state() == State::Idle);
    CHECK(freed == 2);
}

TEST_CASE_FIXTURE(Fixture, "the guest may end first") {
    come_up();
    open();
    accept();
    say(FrameType::Data, "bye");
    say(FrameType::End);
    std::string text;
    CHECK(test::turn_until([&] { return !test::drain(client(), text); }));
    CHECK(text == "bye");
    CHECK(port.state() == State::Open);
    write_all(client(), "more", "client");
    CHECK(next().payload == "more");
    stream.second.reset();
    CHECK(next().type == FrameType::End);
    CHECK(reaches(State::Idle));
}

TEST_CASE_FIXTURE(Fixture, "a refusal closes the client") {
    come_up();
    open();
    say(FrameType::Refuse);
    CHECK(client_closed());
    CHECK(port.state() == State::Idle);
}

TEST_CASE_FIXTURE(Fixture, "what a client sends ahead follows the Open") {
    come_up();
    write_all(client(), "question", "client");
    open();
    CHECK(next().payload == "question");
    CHECK(port.state() == State::Opening);
    accept();
    say(FrameType::Data, "answer");
    std::string text;
    CHECK(test::turn_until([&] { return test::drain(client(), text) && text == "answer"; }));
}

TEST_CASE_FIXTURE(Fixture,
                  "a refusal of what was sent ahead is followed by a reset, and leaves a usable port") {
    come_up();
    write_all(client(), "question", "client");
    open();
    CHECK(next().payload == "question");
    say(FrameType::Refuse);
    say(FrameType::Reset); // the guest's, as the question was out of place
    CHECK(client_closed());
    CHECK(next().type == FrameType::Reset);
    CHECK(next().type == FrameType::ResetDone);
    CHECK(reaches(State::Idle));
    say(FrameType::ResetDone); // the answer to ours
    stream = make_socketpair();
    open();
    accept();
}

TEST_CASE_FIXTURE(Fixture, "a guest that does not answer loses the client, and is told") {
    come_up();
    open();
    CHECK(client_closed());
    CHECK(next().type == FrameType::Reset);
    CHECK(port.state() == State::Resetting);
    say(FrameType::Accept); // too late
    say(FrameType::ResetDone);
    CHECK(reaches(State::Idle));
    CHECK(freed == 2);
}

TEST_CASE_FIXTURE(Fixture, "a client that leaves while the guest is asked") {
    come_up();
    open();
    stream.second.reset();
    CHECK(next().type == FrameType::Reset);
    say(FrameType::ResetDone);
    CHECK(reaches(State::Idle));
}

TEST_CASE_FIXTURE(Fixture, "a client that sends ahead and leaves while the guest is asked") {
    come_up();
    write_all(client(), "question", "client");
    open();
    CHECK(next().payload == "question");
    stream.second.reset();
    CHECK(next().type == FrameType::Reset);
    say(FrameType::ResetDone);
    CHECK(reaches(State::Idle));
}

TEST_CASE_FIXTURE(Fixture,
                  "a client that is gone: the guest gets all, has a moment, and is then broken off") {
    come_up();
    open();
    accept();
    write_all(client(), "last words", "client");
    stream.second.reset();
    CHECK(next().payload == "last words");
    CHECK(next().type == FrameType::End);
    CHECK(port.state() == State::Open);
    CHECK(next().type == FrameType::Reset);
    CHECK(port.state() == State::Resetting);
}

TEST_CASE_FIXTURE(Fixture, "data for a client that is gone is answered with Reset") {
    come_up();
    open();
    accept();
    stream.second.reset();
    CHECK(next().type == FrameType::End);
    say(FrameType::Data, "who reads this?");
    CHECK(next().type == FrameType::Reset);
}

TEST_CASE_FIXTURE(Fixture, "the guest breaks off") {
    come_up();
    open();
    accept();
    say(FrameType::Data, "half a");
    say(FrameType::Reset);
    CHECK(next().type == FrameType::ResetDone);
    CHECK(client_closed());
    CHECK(port.state() == State::Idle);
}

TEST_CASE_FIXTURE(Fixture, "resets that cross leave a usable port") {
    come_up();
    open();
    stream.second.reset();
    CHECK(next().type == FrameType::Reset);
    say(FrameType::Reset); // sent before ours came
    CHECK(next().type == FrameType::ResetDone);
    CHECK(port.state() == State::Idle);
    say(FrameType::ResetDone); // the answer to ours, late
    stream = make_socketpair();
    open();
    accept();
}

TEST_CASE_FIXTURE(Fixture, "the guest opens a stream to the host") {
    come_up();
    const std::string port_number("\x01\x04\x00\x00", 4);
    say(FrameType::Open, port_number);
    CHECK(next().type == FrameType::Refuse); // nobody listens
    test::make_non_blocking(stream.first.get());
    host = std::move(stream.first);
    write_all(guest(), link::encode_open(1025) + link::encode_data("ready") + link::encode(FrameType::End),
              "frames");
    CHECK(next().type == FrameType::Accept);
    std::string text;
    CHECK(test::turn_until([&] { return !test::drain(client(), text); }));
    CHECK(text == "ready");
    stream.second.reset();
    CHECK(next().type == FrameType::End);
    CHECK(reaches(State::Idle));
}

TEST_CASE_FIXTURE(Fixture, "the next stream's Open may follow the last one's End at once") {
    come_up();
    test::make_non_blocking(stream.first.get());
    host = std::move(stream.first);
    say(FrameType::Open, std::string("\x01\x04\x00\x00", 4));
    CHECK(next().type == FrameType::Accept);
    ::shutdown(client(), SHUT_WR);
    CHECK(next().type == FrameType::End);
    auto second = make_socketpair();
    test::make_non_blocking(second.first.get());
    host = std::move(second.first);
    // More than the client's socket takes, so that the first stream still has bytes to deliver when the
    // second begins.
    write_all(guest(), link::encode_data(std::string(30000, 'a')), "frames");
    std::string text;
    REQUIRE(test::turn_until([&] { return test::drain(client(), text) && text.size() == 30000; }));
    write_all(guest(),
              link::encode(FrameType::Data, "tail") + link::encode(FrameType::End) + link::encode_open(1025),
              "frames");
    CHECK(next().type == FrameType::Accept);
    CHECK(test::turn_until([&] { return !test::drain(client(), text); }));
    CHECK(text.ends_with("tail"));
}

TEST_CASE_FIXTURE(Fixture, "a client that is slow to read gets its last bytes while the port serves others") {
    come_up();
    open();
    accept();
    const int small = 4096;
    ::setsockopt(client(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    ::shutdown(client(), SHUT_WR);
    CHECK(next().type == FrameType::End);
    // As much as fills the socket, and some more that waits in the port.
    std::string bytes(400000, 'z');
    test::make_non_blocking(guest());
    auto frames = link::encode_data(bytes) + link::encode(FrameType::End);
    std::string text;
    bool ended = false;
    REQUIRE(test::turn_until([&] {
        const auto n = ::send(guest(), frames.data(), frames.size(), MSG_NOSIGNAL);
        if (n > 0)
            frames.erase(0, static_cast<size_t>(n));
        if (!frames.empty() && n < 0) { // full: the client takes a little
            char buffer[1000];
            if (const auto got = ::recv(client(), buffer, sizeof buffer, MSG_DONTWAIT); got > 0)
                text.append(buffer, static_cast<size_t>(got));
        }
        return frames.empty() && port.state() == State::Idle;
    }));
    CHECK(test::turn_until([&] { return ended = !test::drain(client(), text); }));
    CHECK(text.size() == bytes.size());
}

TEST_CASE_FIXTURE(Fixture, "nonsense kills the port, and only the port") {
    come_up();
    open();
    accept();
    write_all(guest(), "\xff\xff\xff\xff", "nonsense");
    CHECK(client_closed());
    CHECK(port.state() == State::Dead);
    CHECK(freed == 2);
}

TEST_CASE_FIXTURE(Fixture, "QEMU closes the port") {
    come_up();
    wire.second.reset();
    CHECK(reaches(State::Dead));
}

TEST_CASE_FIXTURE(Fixture, "a side that does not read stops the other, and loses nothing") {
    come_up();
    open();
    accept();
    test::make_non_blocking(client());
    size_t sent = 0;
    const std::string chunk(65536, 'x');
    // The guest does not read: the client can send what the sockets and the bounded buffer take, and no more.
    for (int quiet = 0; quiet < 50;) {
        const auto n = ::send(client(), chunk.data(), chunk.size(), MSG_NOSIGNAL);
        quiet = n > 0 ? 0 : quiet + 1;
        sent += n > 0 ? static_cast<size_t>(n) : 0;
        g_main_context_iteration(nullptr, FALSE);
        REQUIRE(sent < (8 << 20));
    }
    size_t received = 0;
    while (received < sent)
        received += next().payload.size();
    CHECK(received == sent);
}

TEST_CASE_FIXTURE(Fixture, "much data arrives whole and in order") {
    come_up();
    open();
    accept();
    test::make_non_blocking(guest());
    test::make_non_blocking(client());
    // A piece that does not repeat at the size of any buffer, so that bytes lost or swapped are seen.
    std::string piece(1000003, 0);
    for (size_t i = 0; i < piece.size(); ++i)
        piece[i] = static_cast<char>(i * 2654435761U >> 13);
    constexpr size_t pieces = 16;
    const auto frames = link::encode_data(piece);
    size_t pushed = 0, offset = 0;
    std::string received;
    REQUIRE(test::turn_until([&] {
        if (pushed < pieces) {
            const auto n = ::send(guest(), frames.data() + offset, frames.size() - offset, MSG_NOSIGNAL);
            offset += n > 0 ? static_cast<size_t>(n) : 0;
        }
        if (offset == frames.size()) {
            offset = 0;
            ++pushed;
        }
        test::drain(client(), received);
        return received.size() == pieces * piece.size();
    }));
    for (size_t i = 0; i < pieces; ++i)
        CHECK(received.compare(i * piece.size(), piece.size(), piece) == 0);
}

TEST_CASE_FIXTURE(Fixture, "a guest that takes no answers is not heard until it does") {
    come_up();
    test::make_non_blocking(guest());
    const auto question = link::encode_open(1);
    constexpr size_t much = size_t{4} << 20;
    size_t said = 0;
    const auto say_some = [&] {
        while (said < much) {
            const auto n = ::write(guest(), question.data(), question.size());
            if (n != static_cast<ssize_t>(question.size()))
                return n < 0 && errno == EAGAIN;
            said += question.size();
        }
        return true;
    };
    size_t before = 1;
    while (said != before && said < much) { // as long as it is heard
        before = said;
        REQUIRE(say_some());
        for (int i = 0; i < 50; ++i)
            test::turn();
    }
    CHECK(said < much);
    std::string answers;
    CHECK(test::turn_until([&] {
        test::drain(guest(), answers);
        return answers.size() >= link::encode(FrameType::Refuse).size() * 1000;
    }));
    CHECK(next().type == FrameType::Refuse);
}
