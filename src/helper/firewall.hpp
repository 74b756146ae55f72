// The packet filter that stands around guests, as values: what shall be there, what is there, and the
// commands that lead from one to the other. Nothing here touches the host.
//
// Two tables of our own, one in the bridge family and one in ip, both called `banger`:
// - a tap passes nothing but IPv4 and ARP of the guest's own MAC and address; taps reach one another only
//   where both are open;
// - guests are forwarded to the outside, behind this host's address, only where NAT is on; from outside come
//   answers only. Between bridges nothing is forwarded.
// What differs between guests is in sets: the rules never change, and a change is some elements added or
// deleted.
#pragma once

#include "base/names.hpp"
#include "base/net_types.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace banger::helper::firewall {

/// A guest whose tap and address are known.
struct Guest {
    TapName tap;
    BridgeName bridge;
    Ipv4Address address;
    bool nat = false;  ///< it may reach beyond this host
    bool open = false; ///< it may talk to other open guests of its bridge
};

/// Elements, as nft writes them, by "FAMILY banger SET".
using Sets = std::map<std::string, std::set<std::string>>;

/// What shall be. No bridges: no tables.
struct Wanted {
    std::set<std::string> bridges;
    Sets sets;
    bool nat = false; ///< for any guest
};
Wanted wanted(const std::vector<BridgeName>& bridges, const std::vector<Guest>& guests);

/// A rule of ours in the chain FORWARD of iptables.
struct Accept {
    std::string bridge;
    uint64_t handle = 0;
};

/// What is there.
struct Found {
    bool ip_table = false;
    bool bridge_table = false;
    bool intact = false; ///< both tables have the rules and sets of this program
    Sets sets;
    bool has_forward = false;   ///< the chain FORWARD of iptables' table filter, as nftables shows it
    bool forward_drops = false; ///< its policy
    std::vector<Accept> accepts;
    bool others_nat = false;           ///< somebody else translates addresses on this host
    std::vector<std::string> droppers; ///< other chains that drop what they do not know when it is forwarded
};

/// The answer of `list chains`; throws Internal when it makes no sense. Chains of others may be called
/// anything.
Found parse_chains(std::string_view json);
/// Adds the answers of `list table ip banger` and `list table bridge banger`.
void parse_tables(std::string_view ip, std::string_view bridge, Found& found);
/// Adds the answer of `list chain ip filter FORWARD`.
void parse_forward(std::string_view json, Found& found);

/// The commands, for one transaction; empty when all is as it shall be. Tables that are not intact are made
/// anew. Where iptables drops what it does not know (as Docker sets it), each bridge gets two rules at the
/// end of its chain FORWARD, which the verdict `accept` of another chain could not replace: every chain of a
/// hook must let a packet through.
std::string plan(const Found& found, const Wanted& wanted);

} // namespace banger::helper::firewall
