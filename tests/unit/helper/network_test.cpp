#include "base/error.hpp"
#include "helper/network.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace banger;
using namespace banger::helper;

TEST_CASE("tap names are stable, valid, and of owner and VM") {
    const auto vm = VmId::parse("abcdef012345");
    CHECK(tap_name(1000, vm) == tap_name(1000, vm));
    CHECK(tap_name(1000, vm) != tap_name(1001, vm));
    CHECK(tap_name(1000, vm) != tap_name(1000, VmId::parse("abcdef012346")));
    // "1/2…" and "12/…" must not meet.
    CHECK(tap_name(1, VmId::parse("2abcdef012345")) != tap_name(12, VmId::parse("abcdef012345")));
    std::set<std::string> names;
    for (int i = 0; i < 1000; ++i)
        names.insert(tap_name(1000, VmId::make()).str());
    CHECK(names.size() == 1000);
}

TEST_CASE("a bridge's address must be a host's in a private network") {
    const auto accepts = [](const char* text) {
        try {
            parse_ensure_bridge("br-fc", text);
            return true;
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::InvalidArgument);
            return false;
        }
    };
    CHECK(accepts("172.30.1.1/24"));
    CHECK(accepts("10.255.255.254/8"));
    CHECK(accepts("192.168.3.4/32"));
    CHECK(accepts("10.0.0.0/31"));
    for (const char* text :
         {"172.30.1.0/24", "172.30.1.255/24", "8.8.8.8/24", "192.168.0.1/15", "172.16.0.1/8", "10.0.0.1/7",
          "10.0.0.1", "10.0.0.1/33", "010.0.0.1/24", "127.0.0.1/8", "fe80::1/64", "224.0.0.1/8", "",
          "10.0.0.1/24 ", "10.0.0.1/+24"}) {
        CAPTURE(text);
        CHECK_FALSE(accepts(text));
    }
}

TEST_CASE("another link's network is kept free") {
    const auto bridge = BridgeName::parse("br-fc");
    const auto address = Ipv4Cidr::parse("172.30.1.1/24");
    const auto at = [](const char* link, const char* cidr) {
        return links::Neighbour{link, Ipv4Cidr::parse(cidr)};
    };
    CHECK_NOTHROW(check_address_is_free(bridge, address, {}));
    CHECK_NOTHROW(
        check_address_is_free(bridge, address, {at("br-fc", "172.30.1.1/24"), at("eth0", "172.30.2.1/24")}));
    for (const auto& other :
         {at("eth0", "172.30.1.200/24"), at("docker0", "172.30.0.1/16"), at("wg0", "172.30.1.7/32")}) {
        CAPTURE(other.address.str());
        CHECK_THROWS_AS(check_address_is_free(bridge, address, {other}), Error);
    }
    try {
        check_address_is_free(bridge, address, {at("docker0", "172.30.0.1/16")});
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::FailedPrecondition);
        CHECK(error.message().find("docker0") != std::string::npos);
        CHECK_FALSE(error.hint().empty());
    }
}
