#include "daemon/vm/usage.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

using namespace banger::daemon;

TEST_CASE("ticks in /proc/PID/stat, whatever the process is called") {
    CHECK(parse_ticks("7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 5\n") == 100);
    CHECK_FALSE(parse_ticks("7 (a) S 1 7"));
    CHECK_FALSE(parse_ticks(""));
}

TEST_CASE("only a banger unit's cgroup is a VM's own") {
    CHECK(parse_own_cgroup("0::/banger.slice/banger-vm-1000-abc.service\n") ==
          "/sys/fs/cgroup/banger.slice/banger-vm-1000-abc.service");
    CHECK(parse_own_cgroup("0::/user.slice/session.scope\n").empty());
    CHECK(parse_own_cgroup("5:cpu:/banger-vm-x\n0::/\n").empty());
}

TEST_CASE("a link's counters in /proc/net/dev") {
    constexpr auto text = "Inter-|   Receive                                                |  Transmit\n"
                          " face |bytes    packets errs drop fifo frame compressed multicast|bytes    "
                          "packets errs drop fifo colls carrier\n"
                          "    lo:     100       1    0    0    0     0          0         0      200       "
                          "2    0    0    0     0       0\n"
                          "btap-1a:12345678901     21    0    0    0     0          0         0      31      "
                          " 41    0    0    0     0       0\n";
    const auto usage = parse_link(text, "btap-1a");
    REQUIRE(usage);
    CHECK(usage->rx_bytes == 12345678901);
    CHECK(usage->rx_packets == 21);
    CHECK(usage->tx_bytes == 31);
    CHECK(usage->tx_packets == 41);
    CHECK_FALSE(parse_link(text, "btap-1"));
    CHECK_FALSE(parse_link("", "lo"));
}

TEST_CASE("this process uses memory, and none that is not there does") {
    const auto usage = usage_of(::getpid());
    REQUIRE(usage);
    CHECK(usage->memory_bytes > 100'000);
    CHECK(usage->processes >= 1);
    CHECK_FALSE(usage_of(0x7ffffffe));
}
