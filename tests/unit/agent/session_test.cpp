#include "agent/client.hpp"
#include "agent_process.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

using namespace banger;
using namespace banger::agent;

namespace {

const Deadline soon = Clock::now() + std::chrono::seconds(100);

Frame first_answer(const std::string& bytes) {
    const auto session = AgentProcess::instance().connect();
    write_all(session.get(), bytes, "bytes");
    FrameStream stream(session.get(), soon);
    return stream.receive().value();
}

} // namespace

TEST_CASE("info, and that outside of a guest nothing is shut down") {
    auto session = AgentProcess::instance().connect();
    const auto answer = info(session.get(), soon, "feed");
    CHECK(answer.version == protocol_version);
    CHECK(answer.agent == BANGER_VERSION);
    CHECK_FALSE(answer.kernel.empty());
    CHECK(answer.sessions >= 1);
    session = AgentProcess::instance().connect();
    CHECK_THROWS_AS(shutdown(session.get(), {}, soon), Error);
    session = AgentProcess::instance().connect();
    CHECK_THROWS_AS(set_time(session.get(), {1}, soon), Error);
    session = AgentProcess::instance().connect();
    CHECK_NOTHROW(ports(session.get(), soon));
    session = AgentProcess::instance().connect();
    const auto here = stats(session.get(), soon);
    CHECK(here.memory_total > here.memory_available);
    CHECK(here.memory_available > 0);
    CHECK(here.uptime_ms > 0);
    CHECK(here.processes > 0);
    REQUIRE_FALSE(here.disks.empty());
    CHECK(here.disks[0].path == "/");
    CHECK(here.disks[0].total > here.disks[0].available);
}

TEST_CASE("nonsense is answered with an error, and harms no other session") {
    CHECK(first_answer(encode_frame(FrameType::StdinEof)).type == FrameType::Error);
    CHECK(first_answer(encode_frame(FrameType::Request, "{}")).type == FrameType::Error);
    CHECK(first_answer(std::string(64, '\xff')).type == FrameType::Error);
    const auto session = AgentProcess::instance().connect();
    CHECK(info(session.get(), soon).version == 1);
}

TEST_CASE("many sessions at once") {
    std::vector<OwnedFd> sessions;
    for (int i = 0; i < 20; i++) {
        sessions.push_back(AgentProcess::instance().connect());
        FrameStream stream(sessions.back().get(), soon);
        stream.send(FrameType::Request, encode_request(ExecRequest{{"cat"}}, ""));
        CHECK(stream.receive()->type == FrameType::Started);
    }
    const auto session = AgentProcess::instance().connect();
    CHECK(info(session.get(), soon).sessions >= 21);
    for (const auto& cat : sessions) {
        FrameStream stream(cat.get(), soon);
        stream.send(FrameType::StdinEof);
        CHECK(stream.receive()->type == FrameType::Exit);
    }
}

TEST_CASE("too much standard input is an error") {
    const auto session = AgentProcess::instance().connect();
    FrameStream stream(session.get(), soon);
    stream.send(FrameType::Request, encode_request(ExecRequest{{"sleep", "100"}}, ""));
    CHECK(stream.receive()->type == FrameType::Started);
    const std::string block(max_payload, 'x');
    for (int i = 0; i < 6; i++)
        stream.send(FrameType::Stdin, block);
    for (;;) {
        const auto frame = stream.receive();
        REQUIRE(frame);
        if (frame->type == FrameType::Error)
            break;
        CHECK(frame->type == FrameType::StdinTaken);
    }
}
