#include "base/error.hpp"
#include "base/names.hpp"
#include "daemon/network_plan.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace banger;
using namespace banger::daemon;

namespace {
const Ipv4Cidr pool = Ipv4Cidr::parse("172.16.0.0/12");
}

TEST_CASE("bridge names are an owner's, and valid for every uid") {
    CHECK(bridge_name(1000) == "br-fc-3e8");
    CHECK(BridgeName::parse(bridge_name(0xffffffff)).str() == "br-fc-ffffffff");
}

TEST_CASE("routes are read from /proc/net/route") {
    const auto routes =
        parse_routes("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
                     "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
                     "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
                     "nonsense\n");
    REQUIRE(routes.size() == 1);
    CHECK(routes[0].interface == "docker0");
    CHECK(routes[0].network.str() == "172.17.0.0/16");
    CHECK(parse_routes("").empty());
}

TEST_CASE("a network is private, inside the pool, and overlaps nothing") {
    const std::vector<Route> taken{{"docker0", Ipv4Cidr::parse("172.16.0.0/13")}};
    for (const unsigned uid : {1000U, 1001U, 65533U, 0xfffffffeU}) {
        const auto network = choose_network(uid, {}, taken);
        CHECK(pool.contains(network.address()));
        CHECK(network.prefix() == 22);
        CHECK(network.address().bits() == network.network().bits() + 1);
        CHECK_FALSE(network.overlaps(taken[0].network));
    }
}

TEST_CASE("neighbouring uids get different networks") {
    std::set<std::string> seen;
    for (unsigned uid = 1000; uid < 1050; ++uid)
        seen.insert(choose_network(uid, {}, {}).str());
    CHECK(seen.size() >= 49);
}

TEST_CASE("the network of before is kept while it is free; one's own bridge does not count") {
    const auto before = Ipv4Cidr::parse("172.20.4.1/22");
    const std::vector<Route> own{{bridge_name(1000), Ipv4Cidr::parse("172.20.4.0/22")}};
    CHECK(choose_network(1000, before, own) == before);
    const std::vector<Route> foreign{{"tun0", Ipv4Cidr::parse("172.20.0.0/16")}};
    CHECK(choose_network(1000, before, foreign) != before);
}

TEST_CASE("a pool that is all taken is an error with a hint") {
    const std::vector<Route> taken{{"tun0", Ipv4Cidr::parse("172.0.0.0/8")}};
    try {
        choose_network(1000, {}, taken);
        FAIL("chosen");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::FailedPrecondition);
        CHECK_FALSE(error.hint().empty());
    }
}

TEST_CASE("addresses: the lowest free one, never the bridge's, network's or broadcast") {
    const auto bridge = Ipv4Cidr::parse("172.30.0.1/29");
    std::vector<Ipv4Address> used;
    for (int i = 2; i <= 6; ++i) {
        const auto address = choose_address(bridge, used);
        CHECK(address.str() == "172.30.0." + std::to_string(i));
        used.push_back(address);
    }
    CHECK_THROWS_AS(choose_address(bridge, used), Error);
    used.erase(used.begin() + 1);
    CHECK(choose_address(bridge, used).str() == "172.30.0.3");
}
