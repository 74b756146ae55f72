#include "agent/cmdline.hpp"
#include "base/error.hpp"

#include <doctest/doctest.h>

using namespace banger;
using namespace banger::agent;

TEST_CASE("the kernel command line is read") {
    const auto config =
        parse_cmdline("console=ttyS0 quiet banger.transport=serial banger.root=overlay:/dev/vda:/dev/vdb "
                      "banger.ip=172.30.0.5/24 banger.gw=172.30.0.1 banger.dns=172.30.0.1 "
                      "banger.hostname=box banger.init=\"/opt/my init\" banger.later=1\n");
    CHECK(config.transport == Transport::Serial);
    CHECK(config.root == RootKind::Overlay);
    CHECK(config.image == "/dev/vda");
    CHECK(config.writable == "/dev/vdb");
    CHECK(config.address->str() == "172.30.0.5/24");
    CHECK(config.gateway->str() == "172.30.0.1");
    CHECK(config.dns->str() == "172.30.0.1");
    CHECK(config.hostname == "box");
    CHECK(config.init == InitChoice::Path);
    CHECK(config.init_path == "/opt/my init");
}

TEST_CASE("without parameters the guest stays in its initramfs, over vsock") {
    const auto config = parse_cmdline("");
    CHECK(config.transport == Transport::Vsock);
    CHECK(config.root == RootKind::None);
    CHECK(config.init == InitChoice::Auto);
    CHECK_FALSE(config.address);
}

TEST_CASE("the last of two counts") {
    const auto config =
        parse_cmdline("banger.root=disk:/dev/vda banger.root=none banger.init=/x banger.init=none");
    CHECK(config.root == RootKind::None);
    CHECK(config.image.empty());
    CHECK(config.init == InitChoice::None);
    CHECK(config.init_path.empty());
}

TEST_CASE("malformed parameters are refused") {
    for (const auto* text :
         {"banger.root=disk", "banger.root=disk:", "banger.root=disk:vda", "banger.root=disk:/dev/../etc",
          "banger.root=overlay:/dev/vda", "banger.root=nfs:/x", "banger.root=", "banger.transport=tcp",
          "banger.ip=1.2.3.4", "banger.ip=1.2.3.4/33", "banger.gw=x", "banger.hostname=a_b",
          "banger.init=sh"})
        CHECK_THROWS_AS(parse_cmdline(text), Error);
}
