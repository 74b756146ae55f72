#include "agent/client.hpp"
#include "agent_process.hpp"
#include "base/file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <future>
#include <thread>

using namespace banger;
using namespace banger::agent;

namespace {

CapturedOutput captured(const ExecRequest& request, std::string_view input = {}) {
    const auto session = AgentProcess::instance().connect();
    return exec_captured(session.get(), request, input, 256 << 20);
}
CapturedOutput shell(const std::string& script, std::string_view input = {}) {
    return captured({{"sh", "-c", script}}, input);
}

/// Waits until `fd` gives a line.
std::string read_line(int fd) {
    std::string line;
    for (char c = 0; c != '\n';) {
        REQUIRE(wait_readable(fd, 60000));
        REQUIRE(::read(fd, &c, 1) == 1);
        line += c;
    }
    return line;
}

bool is_gone(int pid) {
    for (int i = 0; i < 6000; i++, ::usleep(10'000))
        if (process_start_time(pid) == 0)
            return true;
    return false;
}

} // namespace

TEST_CASE("a request does not wait for the VMM's line, where that is still to come") {
    auto [host, vmm] = make_socketpair();
    ExecStreams streams{.in = -1, .out = -1, .err = -1};
    streams.greeting_to_come = true;
    auto status = std::async(std::launch::async, [&] { return exec(host.get(), {{"true"}}, streams); });
    FrameStream guest(vmm.get(), Clock::now() + std::chrono::seconds(30));
    REQUIRE(guest.receive()->type == FrameType::Request);
    write_all(vmm.get(), "OK 1073741", "line");
    write_all(vmm.get(), "824\n", "line");
    guest.send(FrameType::Exit, encode_exit({3, 0, false}));
    CHECK(status.get() == 3);
}

TEST_CASE("another line than the VMM's, or none, ends an exec") {
    ExecStreams streams{.in = -1, .out = -1, .err = -1};
    streams.greeting_to_come = true;
    for (const auto* line : {"", "NO\n", "OK\n", "OK 1 2\n"}) {
        auto [host, vmm] = make_socketpair();
        write_all(vmm.get(), line, "line");
        ::shutdown(vmm.get(), SHUT_WR);
        try {
            exec(host.get(), {{"true"}}, streams);
            FAIL("it went through");
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::Unavailable);
        }
    }
}

TEST_CASE("statuses are those of a shell") {
    CHECK(shell("exit 0").status == 0);
    CHECK(shell("exit 77").status == 77);
    CHECK(shell("kill -9 $$").status == 137);
    const auto missing = captured({{"no-such-command"}});
    CHECK(missing.status == 127);
    CHECK(missing.err == "no-such-command: command not found\n");
    CHECK(captured({{"/no/such"}}).status == 127);
    const auto denied = captured({{"/etc/passwd"}});
    CHECK(denied.status == 126);
    CHECK(denied.err == "/etc/passwd: Permission denied\n");
}

TEST_CASE("streams are kept apart, environment and directory are as asked") {
    const auto both = shell("echo out; echo err >&2");
    CHECK(both.out == "out\n");
    CHECK(both.err == "err\n");
    ExecRequest request{{"sh", "-c", "echo $A-$HOME-$TERM; pwd; echo $PATH"}};
    request.env = {{"A", "a b"}, {"HOME", "/h"}};
    request.cwd = "/usr";
    CHECK(captured(request).out ==
          "a b-/h-\n/usr\n/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n");
    request.cwd = "/no/such";
    CHECK_THROWS_AS(captured(request), Error);
    request = {{"true"}};
    request.user = "no-such-user";
    CHECK_THROWS_AS(captured(request), Error);
    CHECK(captured({{"printf", "%s", "\xff\xfe"}}).out == "\xff\xfe");
}

TEST_CASE("another user is that user") {
    if (::geteuid() != 0)
        return; // only root can become someone else
    ExecRequest request{{"sh", "-c", "id -u; id -g; id -G"}};
    request.user = "65534";
    CHECK(captured(request).out.starts_with("65534\n65534\n65534"));
}

TEST_CASE("100 MB go in and come out") {
    std::string input(100 << 20, '\0');
    for (size_t i = 0; i < input.size(); i += 4096)
        input[i] = static_cast<char>(i >> 12);
    const auto result = shell("cat", input);
    CHECK(result.status == 0);
    CHECK(result.out == input);
}

TEST_CASE("a command that reads nothing does not block, nor does one that ends early") {
    const std::string input(5 << 20, 'x');
    CHECK(shell("exec 0<&-; echo done", input).out == "done\n");
    CHECK(shell("head -c 10 >/dev/null", input).status == 0);
}

TEST_CASE("background processes do not hold the session") {
    const auto before = Clock::now();
    const auto result = shell("sleep 1000 & echo $!; exit 3");
    CHECK(result.status == 3);
    CHECK(Clock::now() - before < std::chrono::seconds(20));
    ::kill(std::stoi(result.out), SIGKILL);
}

TEST_CASE("what was written before the end is delivered, however slowly it is read") {
    const auto session = AgentProcess::instance().connect();
    auto [read_end, write_end] = make_pipe();
    std::thread reader([fd = read_end.get()] {
        ::usleep(600'000); // longer than the agent's grace
        CHECK(read_all(fd, 10 << 20, "output").size() == 3'000'000);
    });
    ExecStreams streams;
    streams.in = -1;
    streams.out = write_end.get();
    CHECK(exec(session.get(), {{"sh", "-c", "head -c 3000000 /dev/zero; sleep 1000 & exit 0"}}, streams) ==
          0);
    write_end.reset();
    reader.join();
}

TEST_CASE("time limits end a command, even one that ignores SIGTERM") {
    ExecRequest request{{"sleep", "1000"}};
    request.timeout_ms = 50;
    CHECK(captured(request).status == 124);
    request.argv = {"sh", "-c", "trap '' TERM; while :; do sleep 1; done"};
    CHECK(captured(request).status == 124);
}

TEST_CASE("a closed output is a broken pipe to the command") {
    const auto session = AgentProcess::instance().connect();
    auto [read_end, write_end] = make_pipe();
    read_end.reset();
    ExecStreams streams;
    streams.in = -1;
    streams.out = write_end.get();
    CHECK(exec(session.get(), {{"yes"}}, streams) == 128 + SIGPIPE);
}

TEST_CASE("a client that goes away takes its command with it") {
    auto session = AgentProcess::instance().connect();
    FrameStream stream(session.get());
    stream.send(FrameType::Request,
                encode_request(ExecRequest{{"sh", "-c", "trap '' HUP; while :; do sleep 1; done"}}, ""));
    const auto pid = static_cast<int>(parse_count("pid", stream.receive()->payload));
    session.reset();
    CHECK(is_gone(pid));
}

TEST_CASE("a guest that goes away is told as that") {
    auto [host, guest] = make_socketpair();
    std::thread agent([fd = guest.get()] {
        FrameStream stream(fd);
        stream.receive();
        stream.send(FrameType::Started, encode_count("pid", 1));
        ::shutdown(fd, SHUT_RDWR);
    });
    try {
        exec_captured(host.get(), {{"true"}}, {});
        FAIL("it ended");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::Unavailable);
        CHECK(error.message() == "the guest went away while the command ran");
    }
    agent.join();
}

TEST_CASE("cancelling ends the call and the command") {
    const auto session = AgentProcess::instance().connect();
    std::stop_source stop;
    auto [read_end, write_end] = make_pipe();
    ExecStreams streams;
    streams.in = -1;
    streams.out = write_end.get();
    auto running = std::async(std::launch::async, [&] {
        return exec(session.get(), {{"sh", "-c", "echo $$; exec sleep 1000"}}, streams, {}, stop.get_token());
    });
    const int pid = std::stoi(read_line(read_end.get()));
    stop.request_stop();
    CHECK_THROWS_WITH_AS(running.get(), "cancelled", Error);
    CHECK(is_gone(pid));
}

TEST_CASE("signals of the caller go to the command") {
    const auto session = AgentProcess::instance().connect();
    auto [read_end, write_end] = make_pipe();
    ExecStreams streams;
    streams.in = -1;
    streams.out = write_end.get();
    streams.forward_signals = true;
    const auto caller = ::pthread_self();
    std::thread killer([caller, fd = read_end.get()] {
        read_line(fd);
        ::pthread_kill(caller, SIGINT);
    });
    CHECK(exec(session.get(), {{"sh", "-c", "trap 'exit 42' INT; echo up; while :; do sleep 0.05; done"}},
               streams) == 42);
    killer.join();
}

TEST_CASE("a terminal is a terminal") {
    ExecRequest request{
        {"sh", "-c", "test -t 0 && test -t 1 && test -t 2 && tty && stty size && echo $TERM"}};
    request.tty = true;
    request.rows = 33;
    request.cols = 77;
    const auto result = captured(request);
    CHECK(result.status == 0);
    CHECK(result.out.starts_with("/dev/"));
    CHECK(result.out.find("33 77\r\nlinux\r\n") != std::string::npos);
    request.argv = {"cat"}; // ends by the terminal's end of file
    CHECK(captured(request, "line\n").out.find("line\r\n") != std::string::npos);
}

TEST_CASE("a terminal's size and keys arrive") {
    auto session = AgentProcess::instance().connect();
    FrameStream stream(session.get(), Clock::now() + std::chrono::seconds(60));
    ExecRequest request{{"sh", "-c", "trap 'stty size; exit 5' INT; echo up; while :; do sleep 0.05; done"}};
    request.tty = true;
    stream.send(FrameType::Request, encode_request(request, ""));
    std::string output;
    const auto await = [&](std::string_view text) {
        while (output.find(text) == std::string::npos) {
            const auto frame = stream.receive_answer();
            if (frame.type == FrameType::Stdout)
                output += frame.payload;
        }
    };
    await("up");
    stream.send(FrameType::Resize, encode_resize({12, 34}));
    stream.send(FrameType::Stdin, "\x03");
    await("12 34");
    Frame last = stream.receive_answer();
    while (last.type != FrameType::Exit)
        last = stream.receive_answer();
    CHECK(parse_exit(last.payload).status == 5);
}
