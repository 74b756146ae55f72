#include "base/net_types.hpp"
#include "scratch.hpp"

#include <doctest/doctest.h>

using namespace banger;
using test::code_of;

TEST_CASE("IPv4 addresses: four decimal numbers and nothing else") {
    CHECK(Ipv4Address::parse("172.30.1.2").bits() == 0xac1e0102);
    CHECK(Ipv4Address::parse("0.0.0.0").bits() == 0);
    CHECK(Ipv4Address::parse("255.255.255.255").str() == "255.255.255.255");
    for (const auto* text :
         {"", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.04", " 1.2.3.4", "1.2.3.4 ",
          "1.2.3.4/24", "0x1.2.3.4", "::1", "a.b.c.d", "1..2.3", "-1.2.3.4", "1.2.3.4\n"})
        CHECK_MESSAGE(code_of([&] { Ipv4Address::parse(text); }) == "InvalidArgument", text);
    CHECK(code_of([] { Ipv4Address::parse(std::string("1.2.3.4\0x", 9)); }) == "InvalidArgument");
    CHECK(code_of([] { Ipv4Address::parse(std::string(100'000, '1')); }) == "InvalidArgument");
}

TEST_CASE("which addresses are private: RFC 1918, to the bit") {
    for (const auto* text : {"10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.1"})
        CHECK_MESSAGE(Ipv4Address::parse(text).is_private(), text);
    for (const auto* text : {"9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.1.1",
                             "192.169.0.0", "127.0.0.1", "8.8.8.8", "224.0.0.1"})
        CHECK_FALSE_MESSAGE(Ipv4Address::parse(text).is_private(), text);
}

TEST_CASE("an address in a network") {
    const auto cidr = Ipv4Cidr::parse("172.30.1.17/24");
    CHECK(cidr.address().str() == "172.30.1.17");
    CHECK(cidr.prefix() == 24);
    CHECK(cidr.network().str() == "172.30.1.0");
    CHECK(cidr.broadcast().str() == "172.30.1.255");
    CHECK(netmask(cidr) == "255.255.255.0");
    CHECK(cidr.str() == "172.30.1.17/24");
    CHECK(cidr.contains(Ipv4Address::parse("172.30.1.255")));
    CHECK_FALSE(cidr.contains(Ipv4Address::parse("172.30.2.0")));
}

TEST_CASE("prefixes from 8 to 32") {
    CHECK(netmask(Ipv4Cidr::parse("10.0.0.1/8")) == "255.0.0.0");
    const auto host = Ipv4Cidr::parse("10.0.0.1/32");
    CHECK(host.network() == host.broadcast());
    for (const auto* text :
         {"10.0.0.1", "10.0.0.1/", "10.0.0.1/7", "10.0.0.1/0", "10.0.0.1/33", "10.0.0.1/-8", "10.0.0.1/+8",
          "10.0.0.1/8x", "10.0.0.1/24/24", "/24", "10.0.0.1/4294967304", "10.0.0.1/ 24"})
        CHECK_MESSAGE(code_of([&] { Ipv4Cidr::parse(text); }) == "InvalidArgument", text);
}

TEST_CASE("networks overlap when one holds the other, whichever is asked") {
    const auto wide = Ipv4Cidr::parse("10.1.0.1/16");
    const auto narrow = Ipv4Cidr::parse("10.1.2.3/24");
    const auto beside = Ipv4Cidr::parse("10.2.0.1/16");
    CHECK(wide.overlaps(narrow));
    CHECK(narrow.overlaps(wide));
    CHECK(narrow.overlaps(narrow));
    CHECK_FALSE(wide.overlaps(beside));
    CHECK_FALSE(beside.overlaps(narrow));
}

TEST_CASE("a guest's MAC is unicast, locally administered and follows from its address") {
    CHECK(guest_mac(Ipv4Address::parse("172.30.1.255")) == "06:00:ac:1e:01:ff");
    CHECK(guest_mac(Ipv4Address::parse("10.0.0.1")) == "06:00:0a:00:00:01");
}
