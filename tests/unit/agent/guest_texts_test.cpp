#include "agent/devices.hpp"
#include "agent/init.hpp"
#include "agent/network.hpp"
#include "agent/session.hpp"
#include "agent/users.hpp"
#include "agent_process.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

using namespace banger;
using namespace banger::agent;

TEST_CASE("users are found in passwd and group") {
    const auto* passwd = "root:x:0:0:root:/root:/bin/bash\nbroken\nme:x:1000:1001::/home/me:/bin/sh\n";
    const auto* group = "adm:x:4:me,you\nwheel:x:10:\nme:x:1001:me\n";
    const auto me = find_user("me", passwd, group);
    CHECK(me.uid == 1000);
    CHECK(me.home == "/home/me");
    CHECK(me.groups == std::vector<gid_t>{1001, 4});
    CHECK(find_user("1000", passwd, group).name == "me");
    CHECK(find_user("", passwd, group).shell == "/bin/bash");
    CHECK(find_user("", "", "").home == "/root");
    CHECK(find_user("4711", "", "").uid == 4711);
    CHECK_THROWS_AS(find_user("you", passwd, group), Error);
    CHECK_THROWS_AS(find_user("4294967295", passwd, group), Error);
}

TEST_CASE("hosts keeps foreign lines and replaces ours") {
    const auto first = hosts_with("", "a");
    CHECK(first.find("127.0.0.1 localhost\n") == 0);
    const auto second = hosts_with(first + "10.0.0.1 other\n", "b");
    CHECK(second.find(" a #") == std::string::npos);
    CHECK(second.find("10.0.0.1 other\n") != std::string::npos);
    CHECK(second.ends_with("127.0.1.1 b # banger\n"));
    CHECK(second.find("localhost\n") == second.rfind("127.0.0.1 localhost\n") + 10);
}

TEST_CASE("modules are loaded by group") {
    const auto lines = parse_module_order("core virtio.ko\n\nblk virtio_blk.ko\n");
    REQUIRE(lines.size() == 2);
    CHECK(lines[1].group == "blk");
    for (const auto* text : {"core", "core ", " x", "core ../x.ko", "core a b", "core .ko"})
        CHECK_THROWS_AS(parse_module_order(text), Error);
    BootConfig config;
    CHECK(needs_group("core", config));
    CHECK(needs_group("vsock", config));
    CHECK_FALSE(needs_group("serial", config));
    CHECK_FALSE(needs_group("blk", config));
    CHECK_FALSE(needs_group("net", config));
    config.root = RootKind::Disk;
    CHECK(needs_group("fs", config));
    CHECK_FALSE(needs_group("overlay", config));
}

TEST_CASE("listening sockets are read from /proc/net") {
    const auto* text =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 "
        "0\n"
        "   1: 0100007F:1F91 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 "
        "0\n"
        "   2: 00000000000000000000000001000000:0016 0:0 0A 0:0 0:0 0 0 0 4713 1\n"
        "   3: zz:0016 0:0 0A 0:0 0:0 0 0 0 4714 1\n";
    std::vector<uint64_t> inodes;
    const auto ports = parse_proc_net(text, "tcp", inodes);
    REQUIRE(ports.size() == 2);
    CHECK(ports[0].address == "127.0.0.1");
    CHECK(ports[0].port == 8080);
    CHECK(ports[1].address == "::1");
    CHECK(ports[1].port == 22);
    CHECK(inodes == std::vector<uint64_t>{4711, 4713});
}

TEST_CASE("memory and load are read, and nonsense is zero") {
    GuestStats stats;
    read_meminfo("MemTotal:         507904 kB\nMemFree: 1 kB\nMemAvailable:     400000 kB\n", stats);
    CHECK(stats.memory_total == 507904ULL * 1024);
    CHECK(stats.memory_available == 400000ULL * 1024);
    read_loadavg("0.25 12.07 0.00 2/123 4711\n", stats);
    CHECK(stats.load_1 == 250);
    CHECK(stats.load_5 == 12070);
    CHECK(stats.load_15 == 0);
    CHECK(stats.processes == 123);
    for (const auto* text :
         {"", "MemTotal", "MemTotal: x kB", "x MemTotal: 7 kB", "99999999999999999999 a/", "-1 1."}) {
        GuestStats none;
        read_meminfo(text, none);
        read_loadavg(text, none);
        CHECK(none.memory_total == 0);
        CHECK(none.processes == 0);
    }
}

TEST_CASE("the image's init is found, and a bare busybox is none") {
    const TemporaryFolder root;
    BootConfig config;
    config.root = RootKind::Disk;
    make_directories(root.path("sbin"), 0755);
    CHECK(choose_init(config, root.path()).empty());
    write_file_atomically(root.path("sbin/busybox"), "", 0755);
    CHECK(::symlink("busybox", root.path("sbin/init").c_str()) == 0);
    CHECK(choose_init(config, root.path()).empty());
    write_file_atomically(root.path("sbin/openrc"), "", 0755);
    CHECK(choose_init(config, root.path()) == "/sbin/init");
    config.init = InitChoice::None;
    CHECK(choose_init(config, root.path()).empty());
    config.init = InitChoice::Path;
    config.init_path = "/x";
    CHECK(choose_init(config, root.path()) == "/x");
}
