#include "base/error.hpp"
#include "helper/firewall.hpp"
#include "helper/nat.hpp"
#include "helper/resolver.hpp"

#include <doctest/doctest.h>

using namespace banger;
using namespace banger::helper;

namespace {

const auto bridge = BridgeName::parse("br-fc-3e8");
const auto tap = TapName::parse("btap-0123456789");

firewall::Guest guest(bool nat, bool open = false) {
    return {tap, bridge, Ipv4Address::parse("172.30.9.2"), nat, open};
}

std::string rule_objects(const std::string& table, const std::string& sets, int rules,
                         const std::string& chains) {
    std::string text = R"({"nftables": [{"metainfo": {}})" + sets;
    for (const char* name : {"forward", "from_guest", "postrouting", "prerouting"})
        if (chains.find(name) != chains.npos)
            text += R"(, {"chain": {"name": ")" + std::string(name) + R"("}})";
    for (int n = 0; n < rules; ++n)
        text += R"(, {"rule": {"table": ")" + table + R"(")" +
                (n == 0 ? R"(, "comment": "banger rules 1")" : "") + "}}";
    return text + "]}";
}

std::string set(const std::string& name, const std::string& elements) {
    return R"(, {"set": {"name": ")" + name + "\"" +
           (elements.empty() ? "" : R"(, "elem": [)" + elements + "]") + "}}";
}

std::string ip_table(const std::string& nat, int rules = 8) {
    return rule_objects("ip",
                        set("bridges", R"("br-fc-3e8")") +
                            set("pairs", R"({"concat": ["br-fc-3e8", "br-fc-3e8"]})") + set("open", "") +
                            set("nat", nat),
                        rules, "forward from_guest postrouting");
}

std::string bridge_table(const std::string& guests) {
    return rule_objects("bridge", set("guests", guests) + set("open", ""), 8, "prerouting forward");
}

const std::string our_guest = R"({"concat": ["btap-0123456789", "06:00:ac:1e:09:02", "172.30.9.2"]})";

firewall::Found found(const std::string& nat, const std::string& guests, int rules = 8) {
    auto result = firewall::parse_chains(
        R"({"nftables": [{"chain": {"family": "ip", "table": "banger", "name": "forward"}},
                         {"chain": {"family": "bridge", "table": "banger", "name": "forward"}}]})");
    firewall::parse_tables(ip_table(nat, rules), bridge_table(guests), result);
    return result;
}

} // namespace

TEST_CASE("what is there already needs no commands") {
    const auto there = found(R"("172.30.9.2")", our_guest);
    REQUIRE(there.intact);
    CHECK(firewall::plan(there, firewall::wanted({bridge}, {guest(true)})).empty());
}

TEST_CASE("a change is some elements, and no rule") {
    CHECK(firewall::plan(found("", ""), firewall::wanted({bridge}, {guest(true)})) ==
          "add element bridge banger guests { btap-0123456789 . 06:00:ac:1e:09:02 . 172.30.9.2 }\n"
          "add element ip banger nat { 172.30.9.2 }\n");
    CHECK(firewall::plan(found(R"("172.30.9.2")", our_guest), firewall::wanted({bridge}, {guest(false)})) ==
          "delete element ip banger nat { 172.30.9.2 }\n");
    CHECK(firewall::plan(found(R"("172.30.9.2")", our_guest),
                         firewall::wanted({bridge}, {guest(true, true)})) ==
          "add element bridge banger open { btap-0123456789 }\nadd element ip banger open { 172.30.9.2 }\n");
}

TEST_CASE("tables that are not ours as we make them are made anew") {
    const auto shall = firewall::wanted({bridge}, {guest(true)});
    for (const auto& there :
         {firewall::Found{}, found("", "", 7), found("", "", 9), found("", R"({"elem": {"val": 1}})"),
          found(R"({"prefix": {"addr": "10.0.0.0", "len": 8}})", ""), found(R"("a; flush ruleset")", "")}) {
        CHECK_FALSE(there.intact);
        const auto commands = firewall::plan(there, shall);
        CHECK(commands.starts_with("add table ip banger\ndelete table ip banger\nadd table ip banger\n"));
        CHECK(commands.find("add element ip banger nat { 172.30.9.2 }") != commands.npos);
        CHECK(commands.find("flush") == commands.npos);
    }
}

TEST_CASE("no bridge, no table") {
    CHECK(firewall::plan(firewall::Found{}, firewall::wanted({}, {})).empty());
    CHECK(firewall::plan(found("", ""), firewall::wanted({}, {})) ==
          "delete table ip banger\ndelete table bridge banger\n");
}

TEST_CASE("iptables' FORWARD is answered where it drops") {
    const auto with_policy = [](const std::string& policy, const std::string& rules) {
        auto there = firewall::parse_chains(
            R"({"nftables": [{"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "hook": "forward",
                              "policy": ")" +
            policy + R"("}}]})");
        firewall::parse_forward(R"({"nftables": [)" + rules + "]}", there);
        return firewall::plan(there, firewall::wanted({}, {})) + "|" +
               firewall::plan(there, firewall::wanted({bridge}, {}));
    };
    const std::string ours = R"({"rule": {"handle": 4, "comment": "banger br-fc-3e8"}},
                                {"rule": {"handle": 5, "comment": "banger br-fc-3e8"}})";
    const std::string added =
        "add rule ip filter FORWARD iifname \"br-fc-3e8\" counter accept comment \"banger br-fc-3e8\"";
    CHECK(with_policy("accept", "").find("FORWARD") == std::string::npos);
    CHECK(with_policy("drop", "").find(added) != std::string::npos);
    CHECK(with_policy("drop", ours)
              .starts_with(
                  "delete rule ip filter FORWARD handle 4\ndelete rule ip filter FORWARD handle 5\n|"));
    CHECK(with_policy("drop", ours).find(added) == std::string::npos);
    // One of the two was lost; rules of others stay.
    const auto half = with_policy("drop", R"({"rule": {"handle": 4, "comment": "banger br-fc-3e8"}},
                                             {"rule": {"handle": 6, "comment": "docker"}}, {"rule": {"handle": 7}})");
    CHECK(half.find("handle 4\n") != std::string::npos);
    CHECK(half.find(added) != std::string::npos);
    CHECK(half.find("handle 6") == std::string::npos);
    CHECK(half.find("handle 7") == std::string::npos);
}

TEST_CASE("what others have is seen") {
    const auto there = firewall::parse_chains(
        R"({"nftables": [{"chain": {"family": "inet", "table": "filter", "name": "forward", "hook": "forward", "policy": "drop"}},
            {"chain": {"family": "ip", "table": "nat", "name": "POSTROUTING", "type": "nat", "hook": "postrouting"}},
            {"chain": {"family": "ip6", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "drop"}}]})");
    CHECK(there.others_nat);
    CHECK_FALSE(there.has_forward);
    CHECK(there.droppers == std::vector<std::string>{"inet filter forward"});
}

TEST_CASE("answers that make no sense") {
    for (const char* text : {"", "[]", "{}", R"({"nftables": 1})", "\xff", R"({"nftables": [)"})
        CHECK_THROWS_AS(firewall::parse_chains(text), Error);
    CHECK_NOTHROW(
        firewall::parse_chains(R"({"nftables": [1, null, {"chain": 2}, {"chain": {"family": 3}}]})"));
}

TEST_CASE("a guest's address is a host's inside the bridge's network") {
    const auto is_fine = [](const char* address, const char* network) {
        try {
            check_guest_address(Ipv4Address::parse(address), Ipv4Cidr::parse(network));
            return true;
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::InvalidArgument);
            CHECK_FALSE(error.hint().empty());
            return false;
        }
    };
    CHECK(is_fine("172.30.9.2", "172.30.9.1/24"));
    CHECK(is_fine("172.30.9.254", "172.30.9.1/24"));
    CHECK(is_fine("10.0.0.1", "10.0.0.0/31"));
    for (const char* wrong :
         {"172.30.9.1", "172.30.9.0", "172.30.9.255", "172.30.10.2", "8.8.8.8", "0.0.0.0"})
        CHECK_FALSE(is_fine(wrong, "172.30.9.1/24"));
    CHECK_FALSE(is_fine("10.0.0.0", "10.0.0.0/31"));
    CHECK_FALSE(is_fine("10.0.0.1", "10.0.0.1/32"));
}

TEST_CASE("a name server is on this host") {
    const auto network = Ipv4Cidr::parse("172.30.9.1/24");
    const auto check = [&](const char* server) { check_name_server(Ipv4Address::parse(server), network); };
    CHECK_NOTHROW(check("127.0.0.1"));
    CHECK_NOTHROW(check("127.1.2.3"));
    CHECK_NOTHROW(check("172.30.9.1"));
    for (const char* wrong : {"172.30.9.2", "8.8.8.8", "0.0.0.0", "128.0.0.1"})
        CHECK_THROWS_AS(check(wrong), Error);
    CHECK_THROWS_AS(parse_set_resolver("br-fc", "127.0.0.1", 0), Error);
    CHECK_THROWS_AS(parse_set_resolver("eth0", "127.0.0.1", 53), Error);
    CHECK_THROWS_AS(parse_set_resolver("br-fc", "::1", 53), Error);
    CHECK(parse_set_resolver("br-fc", "127.0.0.1", 65535).port == 65535);
}
