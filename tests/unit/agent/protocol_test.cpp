#include "agent/protocol.hpp"
#include "agent/tree.hpp"

#include <doctest/doctest.h>

#include <csignal>

using namespace banger;
using namespace banger::agent;

namespace {

ErrorCode refusal(std::string_view payload) {
    try {
        parse_request(payload);
    } catch (const Error& error) {
        return error.code();
    }
    FAIL("accepted: " << payload);
    return ErrorCode::Internal;
}

template <class Kind>
Kind round_trip(const Kind& request) {
    const auto envelope = parse_request(encode_request(request, "0123"));
    CHECK(envelope.op_id == "0123");
    return std::get<Kind>(envelope.request);
}

} // namespace

TEST_CASE("frames round-trip and have bounds") {
    FrameDecoder decoder;
    decoder.feed(encode_frame(FrameType::Stdin, "abc") + encode_frame(FrameType::StdinEof));
    CHECK(decoder.next()->payload == "abc");
    CHECK(decoder.next()->type == FrameType::StdinEof);
    CHECK_FALSE(decoder.next());
    CHECK_FALSE(decoder.in_frame());
    CHECK_THROWS_AS(encode_frame(FrameType::Data, std::string(max_payload + 1, 'x')), Error);
    for (const auto& bytes : {std::string("\0\0\0\0\0\0", 6), std::string("\x1f\0\0\0\0\0", 6),
                              std::string("\x01\x01\0\0\0\0", 6), std::string("\x01\0\x01\0\x01\0", 6),
                              std::string("\x01\0\0\0\0\x80", 6), std::string("\x29\0\0\0\0\0", 6)}) {
        FrameDecoder malformed;
        malformed.feed(bytes);
        CHECK_THROWS_AS(malformed.next(), Error);
    }
}

TEST_CASE("requests round-trip") {
    ExecRequest exec;
    exec.argv = {"printf", "\xff\xfe", "ü", ""};
    exec.env = {{"A", "1=2"}, {"B", "\x80"}};
    exec.cwd = "/x";
    exec.tty = true;
    exec.rows = 24;
    exec.cols = 65535;
    exec.term = "xterm";
    exec.timeout_ms = 1500;
    exec.user = "nobody";
    const auto back = round_trip(exec);
    CHECK(back.argv == exec.argv);
    CHECK(back.env == exec.env);
    CHECK(back.cwd == "/x");
    CHECK(back.tty);
    CHECK(back.rows == 24);
    CHECK(back.cols == 65535);
    CHECK(back.term == "xterm");
    CHECK(back.timeout_ms == 1500);
    CHECK(back.user == "nobody");
    CHECK(round_trip(PutRequest{"/dir", true}).clear);
    CHECK(round_trip(GetRequest{"/dir"}).path == "/dir");
    CHECK(round_trip(GetRequest{"/dir"}).entries == 1);
    CHECK(round_trip(GetRequest{"/dir", true, 2}).follow);
    CHECK(round_trip(GetRequest{"/dir", true, 2}).entries == 2);
    CHECK_FALSE(round_trip(PutRequest{"/dir", true}).owner);
    CHECK(round_trip(PutRequest{"/dir", false, true}).owner);
    CHECK(round_trip(StatRequest{"/dir"}).path == "/dir");
    CHECK(round_trip(ShutdownRequest{ShutdownMode::Halt, 5}).mode == ShutdownMode::Halt);
    CHECK(round_trip(TimeRequest{1'700'000'000'000'000'001}).unix_ns == 1'700'000'000'000'000'001);
    round_trip(InfoRequest{});
    round_trip(PortsRequest{});
}

TEST_CASE("requests are parsed without trust") {
    CHECK(refusal("") == ErrorCode::InvalidArgument);
    CHECK(refusal("[]") == ErrorCode::InvalidArgument);
    CHECK(refusal("{") == ErrorCode::InvalidArgument);
    CHECK(refusal(R"({"kind":"info"})") == ErrorCode::InvalidArgument);
    CHECK(refusal(R"({"version":2,"kind":"info"})") == ErrorCode::Unsupported);
    CHECK(refusal(R"({"version":1,"kind":"fly"})") == ErrorCode::Unsupported);
    CHECK(refusal(R"({"version":"1","kind":"info"})") == ErrorCode::InvalidArgument);
    CHECK(refusal(R"({"version":1,"kind":"exec"})") == ErrorCode::InvalidArgument);
    CHECK(refusal(R"({"version":1,"kind":"exec","argv":[]})") == ErrorCode::InvalidArgument);
    CHECK(refusal(R"({"version":1,"kind":"exec","argv":[1]})") == ErrorCode::InvalidArgument);
    CHECK(refusal(R"({"version":1,"kind":"exec","argv":["a\u0000b"]})") == ErrorCode::InvalidArgument);
    CHECK(refusal(R"({"version":1,"kind":"exec","argv":[{"hex":"6"}]})") == ErrorCode::InvalidArgument);
    CHECK(refusal(R"({"version":1,"kind":"exec","argv":["a"],"env":{"A=B":"c"}})") ==
          ErrorCode::InvalidArgument);
    CHECK(refusal(R"({"version":1,"kind":"exec","argv":["a"],"rows":65536})") == ErrorCode::InvalidArgument);
    CHECK(refusal(R"({"version":1,"kind":"exec","argv":["a"],"timeout_ms":-1})") ==
          ErrorCode::InvalidArgument);
    CHECK(refusal(R"({"version":1,"kind":"exec","argv":["a"],"timeout_ms":18446744073709551615})") ==
          ErrorCode::InvalidArgument);
    CHECK(refusal(R"({"version":1,"kind":"exec","argv":["a"],"tty":1})") == ErrorCode::InvalidArgument);
    CHECK(refusal(R"({"version":1,"kind":"put"})") == ErrorCode::InvalidArgument);
    CHECK(refusal(R"({"version":1,"kind":"shutdown","mode":"explode"})") == ErrorCode::InvalidArgument);
    CHECK(refusal(std::string(max_payload + 1, ' ')) == ErrorCode::InvalidArgument);
    CHECK(refusal(R"({"version":1,"kind":"info","x":)" + std::string(1000, '[') + std::string(1000, ']') +
                  "}") == ErrorCode::InvalidArgument);
    CHECK(refusal("{\"version\":1,\"kind\":\"\xff\"}") == ErrorCode::InvalidArgument);
    CHECK(std::holds_alternative<InfoRequest>(
        parse_request(R"({"version":1,"kind":"info","later":{"x":[1]}})").request));
}

TEST_CASE("a command line that does not fit is an error that says so") {
    ExecRequest exec;
    exec.argv = {"echo", std::string(70'000, 'x')};
    CHECK_THROWS_AS(encode_request(exec, ""), Error);
}

TEST_CASE("answers round-trip") {
    const auto exit = parse_exit(encode_exit({137, 9, true}));
    CHECK(exit.status == 137);
    CHECK(exit.signal == 9);
    CHECK(exit.timed_out);
    CHECK_THROWS_AS(parse_exit(R"({"status":256})"), Error);
    CHECK(parse_resize(encode_resize({3, 4})).cols == 4);
    CHECK(parse_signal(encode_signal("int")) == SIGINT);
    CHECK_THROWS_AS(parse_signal(R"({"signal":"STOP"})"), Error);
    CHECK(parse_count("pid", encode_count("pid", 7)) == 7);
    const auto error = parse_error(encode_error(Error(ErrorCode::NotFound, "gone\x1b[2J", "look")));
    CHECK(error.code() == ErrorCode::NotFound);
    CHECK(error.message() == "gone?[2J");
    CHECK(error.hint() == "look");
    AgentInfo info;
    info.kernel = "6.1";
    info.ready_ms = 5;
    CHECK(parse_info(encode_info(info)).kernel == "6.1");
    CHECK(parse_path_status(encode_path_status({PathType::Symlink, "/x"})).type == PathType::Symlink);
    CHECK(parse_path_status(R"({"type":"portal"})").type == PathType::Other);
    CHECK(parse_path_status(encode_path_status({PathType::File, "/x"})).path == "/x");
    CHECK(parse_path_status(encode_path_status({PathType::File, "/x"})).entries == entry_level);
    CHECK(parse_path_status(R"({"type":"file"})").entries == 1); // an agent from before there were levels
    GuestStats stats;
    stats.memory_total = 1 << 30;
    stats.load_5 = 1250;
    stats.disks = {{"/", 10, 5}, {"/root", 7, 6}};
    const auto told = parse_stats(encode_stats(stats));
    CHECK(told.memory_total == stats.memory_total);
    CHECK(told.load_5 == 1250);
    REQUIRE(told.disks.size() == 2);
    CHECK(told.disks[1].path == "/root");
    CHECK(told.disks[1].available == 6);
    for (const auto* wrong :
         {R"({"disks":[1]})", R"({"disks":[{}]})", R"({"disks":[{"path":"/","total":-1}]})",
          R"({"uptime_ms":"x"})", R"({"load_1":-1})"})
        CHECK_THROWS_AS(parse_stats(wrong), Error);
    const auto ports = parse_ports(encode_ports({{"tcp", "0.0.0.0", 80, "httpd"}}));
    REQUIRE(ports.size() == 1);
    CHECK(ports[0].port == 80);
    CHECK(ports[0].process == "httpd");
}

TEST_CASE("entries round-trip, and their paths are checked") {
    Entry entry;
    entry.path = "a/\xff";
    entry.size = 12;
    entry.mtime_ns = 1'700'000'000'123'456'789;
    const auto back = parse_entry(encode_entry(entry));
    CHECK(back.path == entry.path);
    CHECK(back.size == 12);
    CHECK(back.mtime_ns == entry.mtime_ns);
    for (const auto* path : {"", "/", "/etc", "..", "../x", "a/..", "a/../b", "a//b", "a/", "./a", "a/."})
        CHECK_THROWS_AS(check_entry_path(path), Error);
    CHECK_THROWS_AS(check_entry_path(std::string(256, 'x')), Error);
    CHECK_THROWS_AS(check_entry_path(std::string("a\0b", 3)), Error);
    for (const auto* path : {".", "a", "a/b", "...", "..a/b..", "-x"})
        CHECK_NOTHROW(check_entry_path(path));
    CHECK_THROWS_AS(parse_entry(R"({"path":"x","type":"socket"})"), Error);
    CHECK_THROWS_AS(parse_entry(R"({"path":".","type":"file"})"), Error);
    CHECK_THROWS_AS(parse_entry(R"({"path":"x","type":"symlink"})"), Error);
    CHECK_THROWS_AS(parse_entry(R"({"path":"x","type":"file","mode":65535})"), Error);
}
