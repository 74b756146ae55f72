#include "base/process.hpp"
#include "scratch.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <thread>

using namespace banger;
using namespace std::chrono_literals;
using test::code_of;
using test::Scratch;

namespace {

ProcessSpec shell(const std::string& script) {
    ProcessSpec spec;
    spec.program = "/bin/sh";
    spec.arguments = {"-c", script};
    return spec;
}

bool is_gone(const std::string& pid_text) {
    return process_start_time(std::stoi(pid_text)) == 0;
}

} // namespace

TEST_CASE("both outputs and the exit status") {
    const auto result = run(shell("echo out; echo err >&2; exit 7"));
    CHECK(result.status == 7);
    CHECK(result.output == "out\n");
    CHECK(result.errors == "err\n");
}

TEST_CASE("a signal is 128 and its number") {
    CHECK(run(shell("kill -TERM $$")).status == 128 + SIGTERM);
}

TEST_CASE("no environment, no descriptors, no input but what the spec names; the folder is /") {
    CHECK(run(shell("echo \"$HOME$USER$BANGER_LOG_LEVEL\"")).output == "\n");
    CHECK(run(shell("pwd")).output == "/\n");
    CHECK(run(shell("cat")).output.empty());
    const int leaked = ::open("/dev/null", O_RDONLY); // on purpose without O_CLOEXEC
    CHECK(run(shell("test -e /proc/self/fd/" + std::to_string(leaked) + " && echo leaked")).output.empty());
    ::close(leaked);
    auto spec = shell("echo $GREETING; pwd");
    spec.environment = {"GREETING=hello"};
    spec.directory = "/usr";
    CHECK(run(spec).output == "hello\n/usr\n");
}

TEST_CASE("named descriptors are inherited under their numbers") {
    auto [read_end, write_end] = make_pipe();
    auto spec = shell("echo through >&" + std::to_string(write_end.get()));
    spec.inherited = {write_end.get()};
    CHECK(run(spec).status == 0);
    write_end.reset();
    CHECK(read_all(read_end.get(), 100, "pipe") == "through\n");
}

TEST_CASE("standard input and output may be given, in any order of numbers") {
    const Scratch scratch;
    write_file_atomically(scratch / "in", "text");
    const auto input = open_file(scratch / "in", O_RDONLY);
    const auto output = open_file(scratch / "out", O_WRONLY | O_CREAT, 0600);
    auto spec = shell("cat");
    spec.stdin_fd = input.get();
    spec.stdout_fd = output.get();
    CHECK(run(spec).output.empty());
    CHECK(read_file(scratch / "out") == "text");
}

TEST_CASE("a program that is not there is an error at once") {
    ProcessSpec spec;
    spec.program = "/no/such/program";
    CHECK(code_of([&] { run(spec); }) == "NotFound");
    spec.program = "/etc/passwd";
    CHECK(code_of([&] { run(spec); }) == "NotAuthorized");
    auto nowhere = shell("true");
    nowhere.directory = "/no/such/folder";
    CHECK(code_of([&] { run(nowhere); }) == "NotFound");
}

TEST_CASE("a time limit kills the whole process group") {
    const Scratch scratch;
    const auto pid_file = scratch / "pid";
    RunLimits limits;
    limits.timeout = 200ms;
    CHECK(code_of([&] { run(shell("sleep 1000 & echo $! > " + pid_file + "; wait"), limits); }) == "Timeout");
    const auto pid = read_file(pid_file);
    // The grandchild is reaped by init; SIGKILL has been sent to its group before run() threw.
    for (int i = 0; i < 1000 && !is_gone(pid); ++i)
        std::this_thread::sleep_for(5ms); // no event tells of a process that is not ours
    CHECK(is_gone(pid));
}

TEST_CASE("a stop request ends a run") {
    std::stop_source stop;
    RunLimits limits;
    limits.stop = stop.get_token();
    std::jthread stopper([&] { stop.request_stop(); });
    CHECK(code_of([&] { run(shell("sleep 1000"), limits); }) == "Cancelled");
}

TEST_CASE("a child that closes its outputs is still waited for, and still limited") {
    RunLimits limits;
    limits.timeout = 200ms;
    CHECK(run(shell("exec >&- 2>&-; sleep 0.05; exit 3")).status == 3);
    CHECK(code_of([&] { run(shell("exec >&- 2>&-; sleep 1000"), limits); }) == "Timeout");
}

TEST_CASE("too much output is an error; of errors only the end is kept") {
    RunLimits limits;
    limits.output = 1000;
    CHECK(code_of([&] { run(shell("head -c 2000 /dev/zero"), limits); }) == "Internal");
    CHECK(code_of([&] { run(shell("exec cat /dev/zero"), limits); }) == "Internal");
    const auto result = run(shell("head -c 100000 /dev/zero | tr '\\0' x >&2; echo the end >&2"));
    CHECK(result.errors.size() <= 8192);
    CHECK(result.errors.ends_with("the end\n"));
}

TEST_CASE("run_checked: a failure carries the end of standard error") {
    CHECK(run_checked(shell("echo fine")) == "fine\n");
    const auto error = test::error_of([] { run_checked(shell("echo why it failed >&2; exit 2")); });
    REQUIRE(error);
    CHECK(error->details().find("why it failed") != std::string::npos);
    CHECK(error->message().find("status 2") != std::string::npos);
}

TEST_CASE("a child held at the gate runs when it is told to") {
    auto [gate_read, gate_write] = make_pipe();
    auto [out_read, out_write] = make_pipe();
    auto spec = shell("echo ran");
    spec.go_fd = gate_read.get();
    spec.stdout_fd = out_write.get();
    const auto child = spawn(spec);
    out_write.reset();
    CHECK(process_start_time(child.pid) > 0);
    CHECK_FALSE(wait_readable(out_read.get(), 50));
    CHECK(process_start_time(child.pid) > 0);
    write_all(gate_write.get(), "g", "gate");
    CHECK(read_all(out_read.get(), 100, "output") == "ran\n");
    CHECK(wait_child(child) == 0);
}

TEST_CASE("a child held at the gate never runs when its parent goes away") {
    const Scratch scratch;
    auto [gate_read, gate_write] = make_pipe();
    auto spec = shell("touch " + (scratch / "ran"));
    spec.go_fd = gate_read.get();
    const auto child = spawn(spec);
    gate_write.reset();
    CHECK(wait_child(child) == 127);
    CHECK(code_of([&] { read_file(scratch / "ran"); }) == "NotFound");
}

TEST_CASE("a child past the gate whose program is not there ends with 127") {
    auto [gate_read, gate_write] = make_pipe();
    ProcessSpec spec;
    spec.program = "/no/such/program";
    spec.go_fd = gate_read.get();
    const auto child = spawn(spec);
    write_all(gate_write.get(), "g", "gate");
    CHECK(wait_child(child) == 127);
}

TEST_CASE("waiting has a limit and reaps once") {
    const auto child = spawn(shell("read line"));
    auto slow = shell("sleep 1000");
    const auto sleeper = spawn(slow);
    CHECK_FALSE(wait_child(sleeper, 0));
    ::kill(sleeper.pid, SIGKILL);
    CHECK(wait_child(sleeper) == 128 + SIGKILL);
    CHECK(wait_child(child) == 1); // /dev/null ends at once
    CHECK(code_of([&] { wait_child(child); }) != "none");
}

TEST_CASE("signals that the parent blocks or ignores are as new in the child") {
    ::signal(SIGPIPE, SIG_IGN);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    const auto result = run(shell("grep -E 'Sig(Blk|Ign)' /proc/self/status"));
    ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    CHECK(result.output == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_CASE("becoming another user drops all groups") {
    if (::geteuid() != 0) {
        MESSAGE("needs root: not tried");
        return;
    }
    auto spec = shell("id -u; id -g; id -G");
    spec.uid_gid = {65534, 65534};
    CHECK(run(spec).output == "65534\n65534\n65534\n");
}

TEST_CASE("a process is named by its pid and start time") {
    CHECK(process_start_time(::getpid()) > 0);
    CHECK(process_start_time(::getpid()) == process_start_time(::getpid()));
    CHECK(process_start_time(0x3fffffff) == 0);
}

TEST_CASE("programs are found in the system's folders; a missing one names its package") {
    CHECK(find_program("sh", "dash").ends_with("/sh"));
    const auto error = test::error_of([] { find_program("no-such-program", "some-package"); });
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::Unavailable);
    CHECK(error->hint().find("some-package") != std::string::npos);
}

TEST_CASE("a spec shows itself") {
    CHECK(shell("true").display() == "/bin/sh -c true");
}
