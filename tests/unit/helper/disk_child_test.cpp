// Who works on disks, and that nothing of it stays.
#include "base/error.hpp"
#include "helper/disk_child.hpp"
#include "helper/process_id.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <thread>

using namespace banger;
using namespace banger::helper;

namespace {

ProcessSpec shell(const std::string& script) {
    ProcessSpec spec;
    spec.program = "/bin/sh";
    spec.arguments = {"-c", script};
    spec.environment = {"PATH=/usr/bin:/bin"};
    return spec;
}

} // namespace

TEST_CASE("each owner's disks have a uid that is nobody's") {
    const auto nobody_knows = [](unsigned) { return false; };
    CHECK(disk_child_id(1000, nobody_knows) == 0x700003e8);
    CHECK(disk_child_id(0x0FFDFFFF, nobody_knows) == 0x7FFDFFFF);
    for (const unsigned large : {0x0FFE0000U, 0x0FFFFFFFU, 0x10000000U, 0xFFFFFFFEU})
        CHECK_THROWS_AS(disk_child_id(large, nobody_knows), Error);
    CHECK_THROWS_AS(disk_child_id(1000, [](unsigned id) { return id == 0x700003e8; }), Error);
    CHECK(is_account(0));
    CHECK_FALSE(is_account(0x700003e8));
}

TEST_CASE("work on disks runs with that uid, and leaves nothing") {
    if (::geteuid() != 0)
        return;
    const auto id = disk_child_id(1000);
    DiskChildren children;
    const auto told = children.run(shell("id -u; id -G; grep NoNewPrivs /proc/self/status"), id, {});
    CHECK(told.output == "1879049192\n1879049192\nNoNewPrivs:\t1\n");
    const auto left = children.run(shell("sleep 100 >/dev/null 2>&1 & echo $!"), id, {});
    const int pid = std::atoi(left.output.c_str());
    REQUIRE(pid > 1);
    CHECK_FALSE(open_if_alive(identify(pid))); // or a zombie of whoever is init
    CHECK_THROWS_AS(children.run(shell("sleep 100"), id, {std::chrono::milliseconds(50)}), Error);
}

TEST_CASE("who leaves the session of work on disks is killed, and who works on another disk is not") {
    if (::geteuid() != 0)
        return;
    const auto id = disk_child_id(1000);
    DiskChildren children;
    auto [read_end, write_end] = make_pipe();
    std::atomic<int> other_status = -1;
    std::jthread other([&, end = read_end.get()] {
        auto spec = shell("read line; echo $line");
        spec.stdin_fd = end;
        other_status = children.run(std::move(spec), id, {}).status;
    });
    const auto escaped =
        children.run(shell("(setsid sh -c 'echo $$; exec sleep 100' 2>/dev/null &) | head -n 1"), id, {});
    const int pid = std::atoi(escaped.output.c_str());
    REQUIRE(pid > 1);
    CHECK_FALSE(open_if_alive(identify(pid)));
    write_all(write_end.get(), "go\n", "the other's word");
    other.join();
    CHECK(other_status == 0);
    CHECK(processes_where([&](int each) { return uid_of(each) == static_cast<long>(id); }).empty());
}

TEST_CASE("what is left of a helper that was killed is ended") {
    if (::geteuid() != 0)
        return;
    auto spec = shell("exec sleep 100");
    const auto id = disk_child_id(1000);
    spec.uid_gid = {id, id};
    const auto child = spawn(spec);
    DiskChildren::end_left();
    CHECK(wait_child(child, 5000) == 128 + SIGKILL);
}
