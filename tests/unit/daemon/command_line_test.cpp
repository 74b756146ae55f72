#include "daemon/vm/command_line.hpp"

#include <doctest/doctest.h>

using namespace banger;
using namespace banger::daemon;

namespace {

VmConfig vm() {
    return {.id = VmId::parse("0123456789ab"),
            .name = DnsLabel::parse("calm-otter", "name"),
            .image = "bookworm",
            .kernel = "cloud",
            .vcpus = 2,
            .memory_mib = 512,
            .disk_bytes = 1,
            .address = Ipv4Address::parse("172.20.4.7"),
            .vmm = "qemu",
            .null_mode = {},
            .ephemeral = false,
            .tied = false,
            .created_at = 0};
}

} // namespace

TEST_CASE("the command line of a VM with an image") {
    CHECK(command_line(vm(), {Ipv4Cidr::parse("172.20.4.1/22"), "qemu", true}) ==
          "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off audit=0 apparmor=0 nokaslr "
          "net.ifnames=0 "
          "8250.nr_uarts=1 i8042.noaux i8042.nomux i8042.nopnp i8042.dumbkbd cryptomgr.notests "
          "random.trust_cpu=on reboot=t "
          "banger.transport=serial banger.root=overlay:/dev/vda:/dev/vdb banger.ip=172.20.4.7/22 "
          "banger.gw=172.20.4.1 "
          "banger.hostname=calm-otter banger.init=auto");
}

TEST_CASE("without an image the guest stays in the initramfs") {
    const auto line = command_line(vm(), {Ipv4Cidr::parse("172.20.4.1/22"), "firecracker", false});
    CHECK(line.find(" banger.root=none ") != std::string::npos);
    CHECK(line.find(" banger.transport=vsock ") != std::string::npos);
    CHECK(line.find(" reboot=k ") != std::string::npos);
}

TEST_CASE("the vsock context id is the address, so unique on the host") {
    CHECK(vm().guest_cid() == 0xac140407);
}
