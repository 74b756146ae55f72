#include "helper/firewall.hpp"

#include "base/error.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace banger::helper::firewall {

namespace {

using Json = nlohmann::json;

constexpr const char* bridges_set = "ip banger bridges";
constexpr const char* pairs_set = "ip banger pairs";
constexpr const char* ip_open_set = "ip banger open";
constexpr const char* nat_set = "ip banger nat";
constexpr const char* guests_set = "bridge banger guests";
constexpr const char* taps_open_set = "bridge banger open";

/// Name and type.
constexpr std::array<std::pair<const char*, const char*>, 6> set_types{{
    {bridges_set, "ifname"},
    {pairs_set, "ifname . ifname"}, // each bridge with itself: nft cannot compare iifname and oifname
    {ip_open_set, "ipv4_addr"},
    {nat_set, "ipv4_addr"},
    {guests_set, "ifname . ether_addr . ipv4_addr"},
    {taps_open_set, "ifname"},
}};

/// Before iptables' chain FORWARD (priority 0), so that what the rules there accept has passed these.
constexpr std::array<std::pair<const char*, const char*>, 5> chains{{
    {"ip banger forward", "{ type filter hook forward priority -10; policy accept; }"},
    {"ip banger from_guest", ""},
    {"ip banger postrouting", "{ type nat hook postrouting priority 100; policy accept; }"},
    {"bridge banger prerouting", "{ type filter hook prerouting priority -300; policy accept; }"},
    {"bridge banger forward", "{ type filter hook forward priority 0; policy accept; }"},
}};

/// On the first rule of each table: rules of another version of this program are made anew.
constexpr const char* version = "banger rules 1";

/// Chain and rule.
constexpr std::array<std::pair<const char*, const char*>, 8> ip_rules{{
    {"forward", "iifname @bridges jump from_guest comment \"banger rules 1\""},
    {"forward", "oifname @bridges ip daddr @nat ct state established,related accept"},
    {"forward", "oifname @bridges drop"},
    // Bridged frames pass here as well where br_netfilter is loaded.
    {"from_guest", "iifname . oifname @pairs ip saddr @open ip daddr @open accept"},
    {"from_guest", "oifname @bridges drop"},
    {"from_guest", "ip saddr @nat accept"},
    {"from_guest", "reject with icmp type admin-prohibited"},
    {"postrouting", "ip saddr @nat oifname != @bridges masquerade"},
}};
constexpr std::array<std::pair<const char*, const char*>, 8> bridge_rules{{
    {"prerouting", "iifname != \"btap-*\" accept comment \"banger rules 1\""},
    {"prerouting", "ether type ip iifname . ether saddr . ip saddr @guests accept"},
    {"prerouting", "ether type arp iifname . ether saddr . arp saddr ip @guests "
                   "iifname . arp saddr ether . arp saddr ip @guests accept"},
    {"prerouting", "drop"},
    {"forward", "iifname != \"btap-*\" accept"},
    {"forward", "oifname != \"btap-*\" accept"},
    {"forward", "iifname @open oifname @open accept"},
    {"forward", "drop"},
}};

constexpr std::string_view accept_comment = "banger br-fc";

Json objects_of(std::string_view text) {
    auto json = Json::parse(text, nullptr, false);
    if (!json.is_object() || !json.contains("nftables") || !json["nftables"].is_array())
        throw Error(ErrorCode::Internal, "nftables answered what is no list");
    return std::move(json["nftables"]);
}

/// A string member, or "".
std::string word(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// Calls `body` with each listed object of this kind.
template <class Body>
void for_each(const Json& objects, const char* kind, Body&& body) {
    for (const auto& object : objects)
        if (object.is_object())
            if (const auto found = object.find(kind); found != object.end() && found->is_object())
                body(*found);
}

/// "btap-… . 06:… . 172.…", or "" for a form that this program does not write.
std::string element_text(const Json& element) {
    std::string text;
    const auto parts = element.is_object() && element.contains("concat") ? element["concat"] : Json{element};
    if (!parts.is_array())
        return {};
    for (const auto& part : parts) {
        if (!part.is_string())
            return {};
        text += (text.empty() ? "" : " . ") + part.get<std::string>();
    }
    // It goes into commands again.
    const auto is_fine = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               std::string_view(" .:-").find(c) != std::string_view::npos;
    };
    return std::all_of(text.begin(), text.end(), is_fine) ? text : std::string();
}

/// One table's answer; true when it is as this program makes it.
bool parse_table(const Json& objects, const std::string& table, size_t rules, Sets& sets) {
    bool readable = true;
    for_each(objects, "set", [&](const Json& set) {
        auto& elements = sets[table + " " + word(set, "name")];
        if (const auto listed = set.find("elem"); listed != set.end() && listed->is_array())
            for (const auto& element : *listed) {
                const auto text = element_text(element);
                readable = readable && !text.empty();
                elements.insert(text);
            }
    });
    size_t count = 0;
    bool of_this_version = false;
    for_each(objects, "rule", [&](const Json& rule) {
        ++count;
        of_this_version = of_this_version || word(rule, "comment") == version;
    });
    size_t chains_there = 0;
    for_each(objects, "chain", [&](const Json& chain) {
        const auto name = table + " " + word(chain, "name");
        chains_there += static_cast<size_t>(std::count_if(
            chains.begin(), chains.end(), [&](const auto& known) { return name == known.first; }));
    });
    const auto chains_wanted = std::count_if(chains.begin(), chains.end(), [&](const auto& known) {
        return std::string_view(known.first).starts_with(table + " ");
    });
    return readable && of_this_version && count == rules &&
           chains_there == static_cast<size_t>(chains_wanted);
}

std::string elements_command(const char* verb, const std::string& set,
                             const std::set<std::string>& elements) {
    if (elements.empty())
        return {};
    std::string text = std::string(verb) + " element " + set + " { ";
    for (const auto& element : elements)
        text += (element == *elements.begin() ? "" : ", ") + element;
    return text + " }\n";
}

/// Both tables, whatever is there now.
std::string anew(const Wanted& wanted) {
    std::string text;
    for (const char* table : {"ip banger", "bridge banger"})
        text += std::string("add table ") + table + "\ndelete table " + table + "\nadd table " + table + "\n";
    for (const auto& [name, type] : set_types)
        text += std::string("add set ") + name + " { type " + type + "; }\n";
    for (const auto& [name, hook] : chains)
        text += std::string("add chain ") + name + " " + hook + "\n";
    for (const auto& [chain, rule] : ip_rules)
        text += std::string("add rule ip banger ") + chain + " " + rule + "\n";
    for (const auto& [chain, rule] : bridge_rules)
        text += std::string("add rule bridge banger ") + chain + " " + rule + "\n";
    for (const auto& [set, elements] : wanted.sets)
        text += elements_command("add", set, elements);
    return text;
}

/// From one set of elements to another.
std::string difference(const Sets& found, const Wanted& wanted) {
    std::string text;
    for (const auto& [set, elements] : wanted.sets) {
        const auto& there = found.at(set);
        std::set<std::string> surplus;
        std::set<std::string> missing;
        std::set_difference(there.begin(), there.end(), elements.begin(), elements.end(),
                            std::inserter(surplus, surplus.end()));
        std::set_difference(elements.begin(), elements.end(), there.begin(), there.end(),
                            std::inserter(missing, missing.end()));
        text += elements_command("delete", set, surplus) + elements_command("add", set, missing);
    }
    return text;
}

/// Our rules in iptables' FORWARD. Nothing in them that iptables-nft could not show itself (it refuses tables
/// with other expressions): hence no `ct state`, which our own table has asked before.
std::string accepts(const Found& found, const Wanted& wanted) {
    std::string text;
    std::map<std::string, size_t> count;
    for (const auto& accept : found.accepts)
        ++count[accept.bridge];
    const auto is_whole = [&](const std::string& bridge) {
        return wanted.bridges.contains(bridge) && count[bridge] == 2;
    };
    for (const auto& accept : found.accepts)
        if (!is_whole(accept.bridge))
            text += "delete rule ip filter FORWARD handle " + std::to_string(accept.handle) + "\n";
    if (!found.forward_drops)
        return text;
    for (const auto& bridge : wanted.bridges)
        if (!is_whole(bridge))
            for (const char* way : {"iifname", "oifname"})
                text += std::string("add rule ip filter FORWARD ") + way + " \"" + bridge +
                        "\" counter accept comment \"banger " + bridge + "\"\n";
    return text;
}

} // namespace

Wanted wanted(const std::vector<BridgeName>& bridges, const std::vector<Guest>& guests) {
    Wanted result;
    for (const auto& [name, type] : set_types)
        result.sets[name];
    for (const auto& bridge : bridges) {
        result.bridges.insert(bridge.str());
        result.sets[bridges_set].insert(bridge.str());
        result.sets[pairs_set].insert(bridge.str() + " . " + bridge.str());
    }
    for (const auto& guest : guests) {
        const auto address = guest.address.str();
        result.sets[guests_set].insert(guest.tap.str() + " . " + guest_mac(guest.address) + " . " + address);
        if (guest.nat)
            result.sets[nat_set].insert(address);
        if (guest.open) {
            result.sets[ip_open_set].insert(address);
            result.sets[taps_open_set].insert(guest.tap.str());
        }
        result.nat = result.nat || guest.nat;
    }
    return result;
}

Found parse_chains(std::string_view json) {
    Found found;
    for_each(objects_of(json), "chain", [&](const Json& chain) {
        const auto family = word(chain, "family");
        const auto table = word(chain, "table");
        const auto name = word(chain, "name");
        const bool sees_ipv4 = family == "ip" || family == "inet";
        if (table == "banger" && (family == "ip" || family == "bridge")) {
            (family == "ip" ? found.ip_table : found.bridge_table) = true;
        } else if (family == "ip" && table == "filter" && name == "FORWARD") {
            found.has_forward = true;
            found.forward_drops = word(chain, "policy") == "drop";
        } else if (sees_ipv4 && word(chain, "hook") == "forward" && word(chain, "policy") == "drop") {
            found.droppers.push_back(family + " " + table + " " + name);
        } else if (sees_ipv4 && word(chain, "type") == "nat" && word(chain, "hook") == "postrouting") {
            found.others_nat = true;
        }
    });
    return found;
}

void parse_tables(std::string_view ip, std::string_view bridge, Found& found) {
    const bool whole_ip = parse_table(objects_of(ip), "ip banger", ip_rules.size(), found.sets);
    const bool whole_bridge =
        parse_table(objects_of(bridge), "bridge banger", bridge_rules.size(), found.sets);
    found.intact = whole_ip && whole_bridge &&
                   std::all_of(set_types.begin(), set_types.end(),
                               [&](const auto& set) { return found.sets.contains(set.first); });
}

void parse_forward(std::string_view json, Found& found) {
    for_each(objects_of(json), "rule", [&](const Json& rule) {
        const auto comment = word(rule, "comment");
        const auto handle = rule.find("handle");
        if (comment.starts_with(accept_comment) && handle != rule.end() && handle->is_number_unsigned())
            found.accepts.push_back({comment.substr(comment.find(' ') + 1), handle->get<uint64_t>()});
    });
}

std::string plan(const Found& found, const Wanted& wanted) {
    std::string text;
    if (wanted.bridges.empty()) {
        text += found.ip_table ? "delete table ip banger\n" : "";
        text += found.bridge_table ? "delete table bridge banger\n" : "";
    } else {
        text += found.intact ? difference(found.sets, wanted) : anew(wanted);
    }
    return text + accepts(found, wanted);
}

} // namespace banger::helper::firewall
