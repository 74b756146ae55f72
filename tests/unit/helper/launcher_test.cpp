// The launcher against the real bubblewrap, with an ordinary program in the VMM's place. Needs root, as the
// helper does.
#include "base/file.hpp"
#include "helper/launcher.hpp"
#include "helper/process_id.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

using namespace banger;
using namespace banger::helper;

namespace {

constexpr unsigned somebody = 64999;

/// A script as VMM, and a run folder, that an owner without rights can reach.
struct World {
    std::string path = [] {
        char name[] = "/tmp/banger-launch-XXXXXX";
        return std::string(::mkdtemp(name));
    }();
    OwnedFd program, run;
    JailSpec spec;

    explicit World(const std::string& script) {
        std::filesystem::permissions(path, std::filesystem::perms(0711));
        write_file_atomically(path + "/vmm", "#!/bin/sh\n" + script + "\n", 0755);
        std::filesystem::permissions(path + "/vmm", std::filesystem::perms(0755));
        std::filesystem::create_directory(path + "/run");
        REQUIRE(::chown((path + "/run").c_str(), somebody, somebody) == 0);
        program = open_file(path + "/vmm", O_RDONLY);
        run = open_file(path + "/run", O_PATH | O_DIRECTORY);
        spec.name = "64999-abcdef012345";
        spec.uid = spec.gid = somebody;
        spec.vm = "abcdef012345";
        spec.program_fd = program.get();
        spec.run_fd = run.get();
    }
    ~World() { std::filesystem::remove_all(path); }
};

struct Result {
    ProcessId monitor, known;
    std::optional<Outcome<ProcessId>> outcome;
};

Result launch(const World& world, Loop& loop) {
    const auto launcher = make_child_launcher();
    const auto progress = launcher->prepare(world.spec);
    Result result;
    CHECK(progress->unit().empty());
    progress->go({[&](const ProcessId& monitor) {
                      result.monitor = monitor;
                      CHECK(open_if_alive(monitor));
                  },
                  [&](const ProcessId& main) { result.known = main; },
                  [&](Outcome<ProcessId> outcome) {
                      result.outcome = std::move(outcome);
                      loop.quit();
                  }});
    loop.run();
    return result;
}

bool can_run() {
    if (::geteuid() == 0 && ::access(bubblewrap, X_OK) == 0)
        return true;
    MESSAGE("SKIP: needs root and bubblewrap");
    return false;
}

} // namespace

TEST_CASE("launched: known before it runs, and as the owner") {
    if (!can_run())
        return;
    Loop loop;
    const World world("id > /run/id; env > /run/env; ls / > /run/root; exec sleep 1000");
    const auto result = launch(world, loop);
    REQUIRE(result.outcome);
    REQUIRE(std::holds_alternative<ProcessId>(*result.outcome));
    const auto main = std::get<ProcessId>(*result.outcome);
    CHECK(main == result.known);
    CHECK(parent_of(main.pid) == result.monitor.pid);
    const auto pidfd = open_if_alive(main);
    REQUIRE(pidfd);
    const auto proc = "/proc/" + std::to_string(main.pid);
    CHECK(read_file(proc + "/oom_score_adj") == "500\n");
    CHECK(read_file(proc + "/status").find("CapEff:\t0000000000000000") != std::string::npos);
    for (int i = 0; i < 500 && !std::filesystem::exists(world.path + "/run/root"); ++i)
        ::usleep(10000);
    CHECK(read_file(world.path + "/run/id").starts_with("uid=64999 gid=64999 groups=64999"));
    CHECK(read_file(world.path + "/run/root").find("proc") == std::string::npos);
    CHECK(read_file(world.path + "/run/env").find("HOME=") == std::string::npos);
    send_signal(pidfd.get(), SIGKILL);
    CHECK(::waitpid(result.monitor.pid, nullptr, 0) == result.monitor.pid);
}

TEST_CASE("a jail that does not come up says why") {
    if (!can_run())
        return;
    Loop loop;
    World world("exec sleep 1000");
    std::filesystem::permissions(world.path, std::filesystem::perms(0700)); // the owner cannot reach it
    char name[] = "/tmp/banger-output-XXXXXX";
    const OwnedFd output(::mkstemp(name));
    ::unlink(name);
    world.spec.output_fd = output.get();
    const auto result = launch(world, loop);
    REQUIRE(result.outcome);
    REQUIRE(std::holds_alternative<Error>(*result.outcome));
    CHECK(std::get<Error>(*result.outcome).message().find("bwrap: ") != std::string::npos);
    CHECK_FALSE(open_if_alive(result.monitor));
    CHECK_FALSE(open_if_alive(result.known));
}

TEST_CASE("a launch that is dropped leaves nothing") {
    if (!can_run())
        return;
    Loop loop;
    const World world("exec sleep 1000");
    ProcessId monitor;
    {
        const auto launcher = make_child_launcher();
        const auto progress = launcher->prepare(world.spec);
        progress->go({[&](const ProcessId& held) { monitor = held; }, [](const ProcessId&) {}, {}});
        CHECK(open_if_alive(monitor));
    }
    CHECK_FALSE(open_if_alive(monitor));
    CHECK(::waitpid(monitor.pid, nullptr, WNOHANG) == -1); // reaped
}
