#include "daemon/network_plan.hpp"

#include "base/error.hpp"
#include "base/file.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <sstream>

namespace banger::daemon {

namespace {

constexpr uint32_t pool_begin = 0xac100000; // 172.16.0.0/12, RFC 1918
constexpr unsigned pool_prefix = 12;
constexpr unsigned network_prefix = 22;
constexpr uint32_t networks_in_pool = 1U << (network_prefix - pool_prefix);

Ipv4Cidr cidr(uint32_t bits, unsigned prefix) {
    return Ipv4Cidr::parse(Ipv4Address::from_bits(bits).str() + "/" + std::to_string(prefix));
}

/// The n-th network of the pool, as the bridge's address in it.
Ipv4Cidr candidate(uint32_t n) {
    return cidr(pool_begin + ((n % networks_in_pool) << (32 - network_prefix)) + 1, network_prefix);
}

} // namespace

std::string bridge_name(unsigned uid) {
    char text[16];
    std::snprintf(text, sizeof text, "br-fc-%x", uid);
    return text;
}

std::vector<Route> parse_routes(std::string_view proc_net_route) {
    std::vector<Route> routes;
    std::istringstream lines{std::string(proc_net_route)};
    std::string line;
    std::getline(lines, line); // the heading
    while (std::getline(lines, line)) {
        std::istringstream fields(line);
        std::string interface;
        std::string gateway;
        std::string ignored;
        uint32_t destination = 0;
        uint32_t mask = 0;
        // Iface Destination Gateway Flags RefCnt Use Metric Mask: hex in network byte order
        if (!(fields >> interface >> std::hex >> destination >> gateway >> ignored >> ignored >> ignored >>
              ignored >> mask))
            continue;
        const auto prefix = static_cast<unsigned>(std::popcount(mask));
        if (prefix >= 8)
            routes.push_back({interface, cidr(ntohl(destination), prefix)});
    }
    return routes;
}

std::vector<Route> host_routes() {
    return parse_routes(read_file("/proc/net/route"));
}

Ipv4Cidr choose_network(unsigned uid, std::optional<Ipv4Cidr> before, std::span<const Route> taken) {
    const auto own = bridge_name(uid);
    const auto is_free = [&](const Ipv4Cidr& network) {
        return std::none_of(taken.begin(), taken.end(), [&](const Route& route) {
            return route.interface != own && route.network.overlaps(network);
        });
    };
    if (before && is_free(*before))
        return *before;
    const uint32_t first =
        uid * 2654435761U >> (32 - (network_prefix - pool_prefix)); // Knuth's multiplicative hash
    for (uint32_t i = 0; i < networks_in_pool; ++i)
        if (const auto network = candidate(first + i); is_free(network))
            return network;
    throw Error(ErrorCode::FailedPrecondition,
                "no free network for VMs: routes of this host cover all of 172.16.0.0/12",
                "does a VPN route all of it? disconnect it while the first VM is made");
}

Ipv4Address choose_address(const Ipv4Cidr& bridge, std::vector<Ipv4Address> used) {
    used.push_back(bridge.address());
    std::sort(used.begin(), used.end());
    for (uint32_t bits = bridge.network().bits() + 1; bits < bridge.broadcast().bits(); ++bits)
        if (const auto address = Ipv4Address::from_bits(bits);
            !std::binary_search(used.begin(), used.end(), address))
            return address;
    throw Error(ErrorCode::FailedPrecondition,
                "all " + std::to_string(used.size() - 1) + " addresses of " + bridge.str() +
                    " are taken by VMs",
                "delete some: `banger vm list --all` shows them");
}

} // namespace banger::daemon
