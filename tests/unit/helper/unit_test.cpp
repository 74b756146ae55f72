// A VM's systemd unit: its name, its control group, its properties; and what the helper and banger-jail say
// to each other.
#include "base/error.hpp"
#include "helper/jail.hpp"
#include "helper/machined.hpp"
#include "helper/unit_spec.hpp"
#include "helper/vm_unit.hpp"
#include "jail/talk.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

using namespace banger;
using namespace banger::helper;

namespace {

const VmId vm = VmId::parse("abcdef012345");

UnitSpec example() {
    return {"/usr/libexec/banger/banger-jail", "alice", 1001, 1002, "abcdef012345", 2, 512, false};
}

template <class T>
T property(const UnitProperties& properties, const std::string& name) {
    for (const auto& property : properties)
        if (std::get<0>(property) == name)
            return std::get<1>(property).template get<T>();
    FAIL("no property " << name);
    return {};
}

} // namespace

TEST_CASE("who is in a control group, and in those below") {
    char name[] = "/tmp/banger-group-XXXXXX";
    const std::string group = ::mkdtemp(name);
    std::filesystem::create_directories(group + "/inner/most");
    std::ofstream(group + "/cgroup.procs") << "12\n7\n";
    std::ofstream(group + "/inner/most/cgroup.procs") << "99\n";
    auto pids = pids_below(group);
    std::sort(pids.begin(), pids.end());
    CHECK(pids == std::vector<int>{7, 12, 99});
    CHECK(pids_below(group + "/absent").empty());
    std::filesystem::remove_all(group);
}

TEST_CASE("a unit's name, and back") {
    CHECK(unit_name(1001, vm) == "banger-vm-1001-abcdef012345.service");
    const auto parsed = parse_unit_name("banger-vm-1001-abcdef012345.service");
    REQUIRE(parsed);
    CHECK(parsed->first == 1001);
    CHECK(parsed->second == vm);
    for (const char* other :
         {"", "banger-vm-.service", "banger-vm-1001.service", "banger-vm-1001-.service",
          "banger-vm--abcdef012345.service", "banger-vm-01001-abcdef012345.service",
          "banger-vm-4294967296-abcdef012345.service", "banger-vm-+1-abcdef012345.service",
          "banger-vm-1001-abcdef012345.scope", "xbanger-vm-1001-abcdef012345.service",
          "banger-helper.service", "banger-vm-1001-ABCDEF012345.service",
          "banger-vm-1001-abcdef012345.service.service"})
        CHECK_FALSE(parse_unit_name(other));
}

TEST_CASE("the control group of a process names its unit") {
    const std::string unit = "banger-vm-1001-abcdef012345.service";
    CHECK(unit_in_slice("0::/banger.slice/" + unit + "\n") == unit);
    CHECK(unit_in_slice("0::/banger.slice/" + unit) == unit);
    CHECK(unit_in_slice("0::/banger.slice/" + unit + "/below\n") == unit);
    CHECK(unit_in_slice("5:memory:/x\n1:name=systemd:/banger.slice/" + unit + "\n0::/\n") == unit);
    for (const std::string other :
         {"", "\n", "0::\n", "0::/banger.slice\n", "0::/system.slice/banger-helper.service\n",
          "0::/user.slice/user-1001.slice/banger.slice/banger-vm-1001-abcdef012345.service\n",
          "4:memory:/banger.slice/banger-vm-1001-abcdef012345.service\n",
          "4:x,name=systemd:/banger.slice/banger-vm-1001-abcdef012345.service\n"})
        CHECK(unit_in_slice(other).empty());
    CHECK(unit_of(::getpid()).empty());
    CHECK_FALSE(open_if_alive_in(unit, {::getpid(), 1, "x"}));
}

TEST_CASE("a unit's properties: who and where") {
    const auto properties = unit_properties(example());
    CHECK(property<std::string>(properties, "Description") == "banger: VM abcdef012345 of alice");
    CHECK(property<std::string>(properties, "Slice") == "banger.slice");
    CHECK(property<std::string>(properties, "User") == "1001");
    CHECK(property<std::string>(properties, "Group") == "1002");
    CHECK(property<std::string>(properties, "KillMode") == "control-group");
    CHECK(property<std::string>(properties, "CollectMode") == "inactive-or-failed");
    using Command = sdbus::Struct<std::string, std::vector<std::string>, bool>;
    const auto start = property<std::vector<Command>>(properties, "ExecStart");
    REQUIRE(start.size() == 1);
    CHECK(std::get<0>(start[0]) == "/usr/libexec/banger/banger-jail");
}

TEST_CASE("a unit's properties: limits") {
    const auto properties = unit_properties(example());
    CHECK(property<uint64_t>(properties, "MemoryMax") == (512 + 64 + 1024) * uint64_t{1 << 20});
    CHECK(memory_limit(UINT32_MAX) > uint64_t{UINT32_MAX} << 20);
    CHECK(property<uint64_t>(properties, "CPUQuotaPerSecUSec") == 3'000'000);
    CHECK(property<uint64_t>(properties, "TasksMax") == 130);
    CHECK(property<uint64_t>(properties, "LimitNOFILE") == 4096);
    CHECK(property<uint64_t>(properties, "LimitCORE") == 0);
    CHECK(property<int32_t>(properties, "OOMScoreAdjust") == 500);
}

TEST_CASE("a unit's properties: nothing that a jail does not need") {
    const auto properties = unit_properties(example());
    CHECK(property<bool>(properties, "NoNewPrivileges"));
    CHECK(property<uint64_t>(properties, "CapabilityBoundingSet") == 0);
    CHECK(property<std::string>(properties, "DevicePolicy") == "closed");
    using Device = sdbus::Struct<std::string, std::string>;
    CHECK(property<std::vector<Device>>(properties, "DeviceAllow") ==
          std::vector<Device>{Device{"/dev/kvm", "rw"}, Device{"/dev/vhost-vsock", "rw"}});
    CHECK((property<uint64_t>(properties, "RestrictNamespaces") & uint64_t{0x20000000}) == 0); // CLONE_NEWPID
}

TEST_CASE("the properties of a unit whose jail Firecracker's jailer makes") {
    auto spec = example();
    spec.jailer = true;
    const auto properties = unit_properties(spec);
    for (const auto& property : properties)
        CHECK((std::get<0>(property) != "User" && std::get<0>(property) != "Group"));
    using Command = sdbus::Struct<std::string, std::vector<std::string>, bool>;
    CHECK(std::get<1>(property<std::vector<Command>>(properties, "ExecStart").at(0)) ==
          std::vector<std::string>{spec.program, "--jailer"});
    // CHOWN, DAC_OVERRIDE, FOWNER, SETGID, SETUID, SYS_ADMIN, MKNOD (linux/capability.h); not one more.
    CHECK(property<uint64_t>(properties, "CapabilityBoundingSet") == 0x082000cb);
    CHECK(property<bool>(properties, "NoNewPrivileges"));
    CHECK(property<bool>(properties, "PrivateMounts"));
    CHECK(property<uint64_t>(properties, "RestrictNamespaces") == uint64_t{0x00020000}); // CLONE_NEWNS
    using Device = sdbus::Struct<std::string, std::string>;
    CHECK(property<std::vector<Device>>(properties, "DeviceAllow") ==
          std::vector<Device>{Device{"/dev/kvm", "rwm"}, Device{"/dev/net/tun", "rwm"},
                              Device{"/dev/urandom", "rm"}, Device{"/dev/userfaultfd", "m"}});
    CHECK(property<uint64_t>(properties, "MemoryMax") == (512 + 64 + 1024) * uint64_t{1 << 20});
    CHECK(property<uint64_t>(properties, "TasksMax") == 130);
}

TEST_CASE("a machine's name is a host name") {
    CHECK(machine_name(1001, vm.str()) == "banger-1001-abcdef012345");
    CHECK(machine_name(UINT32_MAX, std::string(32, 'a')).size() <= 64);
}

TEST_CASE("a plan of a jail: its bytes, and back") {
    const jail::Plan plan{{"/usr/bin/bwrap", "", "--bind-fd", "4"}};
    const auto bytes = jail::render(plan);
    CHECK(jail::parse_plan(bytes) == plan);
    using namespace std::string_literals;
    for (const auto& bad :
         {""s, "\0"s, "banger-jail 1\0"s, "banger-jail 1\0/bin/true"s, "banger-jail 2\0/bin/true\0"s,
          "banger-jail 1\0bin/true\0"s, "banger-jail 1\0\0"s, bytes.substr(0, bytes.size() - 1),
          "banger-jail 1\0/x\0"s + std::string(40000, 'x') + "\0"s})
        CHECK_THROWS_AS(jail::parse_plan(bad), Error);
    CHECK_THROWS_AS(jail::render({{"/x", "y\0z"s}}), Error);
    CHECK_THROWS_AS(jail::render({std::vector<std::string>(jail::words_limit + 1, "/x")}), Error);
}

TEST_CASE("the talk of helper and jail, in one process") {
    auto [helper, jail_end] = jail::make_pair();
    const auto null = open_file("/dev/null", O_RDONLY);
    const jail::Plan plan{{"/usr/bin/bwrap", "--version"}};
    jail::send_plan(helper.get(), plan, {null.get(), null.get()});
    const auto received = jail::receive_plan(jail_end.get());
    CHECK(received.plan == plan);
    CHECK(received.descriptors.size() == 2);
    CHECK((::fcntl(received.descriptors[1].get(), F_GETFD) & FD_CLOEXEC) != 0);
    jail::say_ready(jail_end.get());
    const auto who = jail::receive_ready(helper.get());
    REQUIRE(who);
    CHECK(who->pid == ::getpid());
    jail::let_go(helper.get());
    CHECK(jail::await_go(jail_end.get()));
    helper.reset();
    CHECK_FALSE(jail::await_go(jail_end.get()));
    CHECK_THROWS_AS(jail::receive_plan(jail_end.get()), Error);
}

TEST_CASE("what is not in the talk's order") {
    auto [helper, jail_end] = jail::make_pair();
    const auto null = open_file("/dev/null", O_RDONLY);
    CHECK_THROWS_AS(jail::send_plan(helper.get(), {{"/x"}}, {}), Error);
    CHECK_THROWS_AS(
        jail::send_plan(helper.get(), {{"/x"}}, std::vector<int>(jail::descriptors_limit + 1, null.get())),
        Error);
    jail::let_go(helper.get());
    CHECK_THROWS_AS(jail::receive_plan(jail_end.get()), Error);
    jail::let_go(jail_end.get());
    CHECK_THROWS_AS(jail::receive_ready(helper.get()), Error);
    jail::send_plan(jail_end.get(), {{"/x"}}, {null.get()});
    CHECK_THROWS_AS(jail::receive_ready(helper.get()), Error);
    jail_end.reset();
    CHECK_FALSE(jail::receive_ready(helper.get()));
}
