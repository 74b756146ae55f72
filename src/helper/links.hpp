// Links and addresses of this network namespace, over rtnetlink(7). Blocking, without state: any thread may
// call. Removing a link costs the kernel tens of milliseconds (it waits for readers of the old state), so not
// the loop's.
#pragma once

#include "base/fd.hpp"
#include "base/names.hpp"
#include "base/net_types.hpp"

#include <optional>
#include <string>
#include <vector>

namespace banger::helper::links {

struct Link {
    int index = 0;
    std::string kind; ///< "bridge", "tun"; empty for plain devices
    int master = 0;   ///< index of its bridge; 0: none
    bool up = false;
};

/// Nothing when there is no link of that name.
std::optional<Link> find(const std::string& name);
/// Names of the links of this kind.
std::vector<std::string> names_of_kind(const std::string& kind);

struct Neighbour {
    std::string link;
    Ipv4Cidr address;
};
/// All IPv4 addresses of all links, with their prefix; those that are no Ipv4Cidr (prefix under 8) are left
/// out.
std::vector<Neighbour> addresses();

/// Makes a bridge: no spanning tree, no forward delay, no IPv6 address of its own, down. AlreadyExists when
/// the name is taken.
void make_bridge(const BridgeName& name);
void add_address(int index, const Ipv4Cidr& address);
void set_up(int index);
/// Removes the link with this index; it is no error when it is gone.
void remove(int index);

/// Makes a persistent tap that only this user and group may attach to, and sets it up as a port of the
/// bridge: isolated ports reach the host and not one another (bridge(8)). A tap of that name that is there is
/// taken as it is.
void make_tap(const TapName& name, unsigned uid, unsigned gid, int bridge_index, bool isolated);
/// A descriptor of the tap (IFF_TAP|IFF_NO_PI|IFF_VNET_HDR), as a VMM wants it. Busy while another holds it.
OwnedFd attach_tap(const TapName& name);

} // namespace banger::helper::links
