#include "base/error.hpp"
#include "qemu/command_line.hpp"
#include "qemu/devices.hpp"
#include "qemu/tap.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace banger;
using namespace banger::qemu;

namespace {

VmConfig minimal() {
    VmConfig config;
    config.boot_source = BootSource{"/kernel", "/initrd", "quiet"};
    return config;
}

Drive drive(const std::string& id, bool root, bool read_only) {
    Drive drive;
    drive.drive_id = id;
    drive.is_root_device = root;
    drive.is_read_only = read_only;
    drive.path_on_host = "/drives/" + id + ",with comma";
    return drive;
}

/// The values of all `-option`.
std::vector<std::string> values(const std::vector<std::string>& arguments, const std::string& option) {
    std::vector<std::string> found;
    for (size_t i = 0; i + 1 < arguments.size(); ++i)
        if (arguments[i] == option)
            found.push_back(arguments[i + 1]);
    return found;
}

Json device(const std::vector<std::string>& arguments, const std::string& driver) {
    for (const auto& text : values(arguments, "-device"))
        if (const auto parsed = Json::parse(text, nullptr, false);
            parsed.is_object() && parsed["driver"] == driver)
            return parsed;
    return nullptr;
}

} // namespace

TEST_CASE("a minimal machine") {
    Plumbing plumbing;
    plumbing.id = "vm1";
    plumbing.qmp_fd = 7;
    const auto arguments = qemu_arguments(minimal(), plumbing);
    CHECK(values(arguments, "-M") == std::vector<std::string>{"microvm"});
    CHECK(values(arguments, "-accel") == std::vector<std::string>{"tcg,thread=multi"});
    CHECK(values(arguments, "-cpu").front().starts_with("max,vendor=GenuineIntel,"));
    CHECK(values(arguments, "-m") == std::vector<std::string>{"size=128M"});
    CHECK(values(arguments, "-smp") == std::vector<std::string>{"cpus=1,sockets=1,cores=1,threads=1"});
    CHECK(values(arguments, "-kernel") == std::vector<std::string>{"/kernel"});
    CHECK(values(arguments, "-initrd") == std::vector<std::string>{"/initrd"});
    CHECK(values(arguments, "-chardev").front() == "socket,id=qmp,fd=7");
    for (const auto* flag : {"-nodefaults", "-no-user-config", "-no-reboot"})
        CHECK(std::count(arguments.begin(), arguments.end(), flag) == 1);
    CHECK(values(arguments, "-sandbox").size() == 1);
    CHECK(values(arguments, "-device") == std::vector<std::string>{"i8042"});
}

TEST_CASE("KVM and hyperthreads") {
    auto config = minimal();
    config.machine.vcpu_count = 4;
    config.machine.smt = true;
    Plumbing plumbing;
    plumbing.accelerator = Accelerator::Kvm;
    plumbing.tsc_khz = 2600000;
    plumbing.sandbox = false;
    const auto arguments = qemu_arguments(config, plumbing);
    CHECK(values(arguments, "-accel") == std::vector<std::string>{"kvm"});
    CHECK(values(arguments, "-cpu") == std::vector<std::string>{"host"});
    CHECK(values(arguments, "-smp") == std::vector<std::string>{"cpus=4,sockets=1,cores=2,threads=2"});
    CHECK(values(arguments, "-sandbox").empty());
    CHECK(kernel_command_line(config, plumbing) == "quiet console=ttyS0");
}

TEST_CASE("the kernel's command line gets what it lacks") {
    auto config = minimal();
    Plumbing plumbing;
    plumbing.tsc_khz = 2600000;
    CHECK(kernel_command_line(config, plumbing) == "quiet console=ttyS0 tsc_early_khz=2600000 tsc=reliable");
    plumbing.host_port_fd = 9;
    CHECK(kernel_command_line(config, plumbing) ==
          "quiet console=ttyS0 tsc_early_khz=2600000 tsc=reliable banger.transport=serial");
    config.boot_source->boot_args = "tsc_early_khz=1 tsc=unstable console=hvc0 banger.transport=serial";
    CHECK(kernel_command_line(config, plumbing) == *config.boot_source->boot_args);
    config.boot_source->boot_args.reset();
    CHECK(kernel_command_line(config, plumbing).starts_with("reboot=k panic=1 "));
    config.boot_source->boot_args = "a";
    config.drives = {drive("root", true, true)};
    CHECK(kernel_command_line(config, plumbing).starts_with("a root=/dev/vda ro "));
    config.drives[0].partuuid = "1234-01";
    config.drives[0].is_read_only = false;
    CHECK(kernel_command_line(config, plumbing).starts_with("a root=PARTUUID=1234-01 rw "));
}

TEST_CASE("devices take their places from the last one down, drives first") {
    auto config = minimal();
    config.drives = {drive("root", true, true), drive("data", false, false)};
    config.drives[1].cache_type = "Writeback";
    config.vsock = Vsock{3, "/run/v"};
    config.entropy = Entropy{RateLimiter{TokenBucket{1024, 100, {}}, {}}};
    config.balloon = Balloon{8, true, 0, false, true};
    NetworkInterface interface;
    interface.iface_id = "eth0";
    interface.host_dev_name = "btap-0";
    interface.mtu = 1400;
    config.interfaces = {interface};
    Plumbing plumbing;
    plumbing.host_port_fd = 20;
    plumbing.session_port_fds = {21, 22};
    plumbing.tap_fds["btap-0"] = 30;
    plumbing.macs["eth0"] = "02:00:00:00:00:01";
    const auto arguments = qemu_arguments(config, plumbing);
    const auto drives = values(arguments, "-blockdev");
    REQUIRE(drives.size() == 2);
    CHECK(Json::parse(drives[0])["file"]["filename"] == "/drives/root,with comma");
    CHECK(Json::parse(drives[0])["read-only"] == true);
    CHECK(Json::parse(drives[0])["cache"]["no-flush"] == true);
    CHECK(Json::parse(drives[1])["cache"]["no-flush"] == false);
    CHECK(device(arguments, "virtio-blk-device")["bus"] == "virtio-mmio-bus.23");
    CHECK(device(arguments, "virtio-net-device")["bus"] == "virtio-mmio-bus.21");
    CHECK(device(arguments, "virtio-net-device")["mac"] == "02:00:00:00:00:01");
    CHECK(device(arguments, "virtio-net-device")["host_mtu"] == 1400);
    CHECK(values(arguments, "-netdev") == std::vector<std::string>{"tap,id=net-eth0,fd=30"});
    CHECK(device(arguments, "virtio-serial-device")["max_ports"] == 4);
    CHECK(device(arguments, "virtserialport")["name"] == "org.banger.host");
    CHECK(device(arguments, "virtserialport")["nr"] == 1);
    CHECK(device(arguments, "virtio-rng-device")["max-bytes"] == 1024);
    CHECK(device(arguments, "virtio-balloon-device")["free-page-reporting"] == true);
}

TEST_CASE("more devices than places are refused") {
    auto config = minimal();
    for (size_t i = 0; i < virtio_places; ++i)
        config.drives.push_back(drive("d" + std::to_string(i), false, true));
    CHECK_NOTHROW(check_device_count(config));
    config.entropy = Entropy{};
    CHECK_THROWS_AS(check_device_count(config), Error);
}

TEST_CASE("token buckets as QEMU's throttles") {
    CHECK(to_throttle(std::nullopt).rate == 0);
    CHECK(to_throttle(TokenBucket{0, 100, {}}).rate == 0);
    CHECK(to_throttle(TokenBucket{1000, 0, {}}).rate == 0);
    CHECK(to_throttle(TokenBucket{1000, 100, {}}).rate == 10000);
    CHECK(to_throttle(TokenBucket{1000, 2000, {}}).rate == 500);
    CHECK(to_throttle(TokenBucket{1000, 2000, {}}).burst == 1000);
    CHECK(to_throttle(TokenBucket{1000, 1000, 5000}).burst == 6000);
    CHECK(to_throttle(TokenBucket{1, UINT64_MAX, {}}).rate == 1);
    CHECK_THROWS_AS(to_throttle(TokenBucket{UINT64_MAX, 1, {}}), Error);
    CHECK_THROWS_AS(to_throttle(TokenBucket{1000000000000000, 1, {}}), Error);
}

TEST_CASE("random addresses are local ones") {
    const auto mac = random_mac();
    CHECK(mac.size() == 17);
    CHECK(mac.starts_with("02:"));
    CHECK(mac != random_mac());
}

TEST_CASE("--tap takes a name and an open descriptor") {
    TapTable taps;
    const OwnedFd given = make_pipe().first;
    const auto number = OwnedFd(given.duplicate()).release();
    taps.add_given("btap-1=" + std::to_string(number));
    CHECK(taps.fd("btap-1") == number);
    CHECK_NOTHROW(taps.ensure("btap-1"));
    CHECK(taps.fd("btap-2") == -1);
    for (const auto* bad : {"", "btap-1", "btap-1=", "btap-1=x", "btap-1=1", "=5", "a/b=5", "btap-1=5x",
                            "btap-1=99999", "a-name-that-is-too-long=5"})
        CHECK_THROWS_AS(taps.add_given(bad), Error);
}

TEST_CASE("the time stamp counter runs at a plausible rate") {
    const TscClock clock;
    const auto khz = clock.khz();
    CHECK(khz > 100000);
    CHECK(khz < 10000000);
}
