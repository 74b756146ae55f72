// Which addresses the owner's bridge and VMs have.
#pragma once

#include "base/net_types.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace banger::daemon {

/// br-fc-<uid in hex>.
std::string bridge_name(unsigned uid);

/// A network that the host reaches by an interface.
struct Route {
    std::string interface;
    Ipv4Cidr network;
};
/// The IPv4 routes in the text of /proc/net/route (proc(5)), without default routes and those wider than /8.
/// Lines that make no sense are left out.
std::vector<Route> parse_routes(std::string_view proc_net_route);
/// Those of this process's network namespace.
std::vector<Route> host_routes();

/// The bridge's address in a /22 (1021 VMs) of 172.16.0.0/12 that overlaps none of `taken`. Where to begin
/// looking depends on the uid, so that owners seldom meet. `before` (the network that was used last) is kept
/// while it is free. Throws FailedPrecondition when there is none.
Ipv4Cidr choose_network(unsigned uid, std::optional<Ipv4Cidr> before, std::span<const Route> taken);

/// The lowest address for a VM, none of `used` (any order) nor the bridge's own; FailedPrecondition when all
/// are taken.
Ipv4Address choose_address(const Ipv4Cidr& bridge, std::vector<Ipv4Address> used);

} // namespace banger::daemon
