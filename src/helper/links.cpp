#include "helper/links.hpp"

#include "base/error.hpp"
#include "base/log.hpp"

#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace banger::helper::links {

namespace {

template <class T>
using Held = std::unique_ptr<T, void (*)(T*)>;

[[noreturn]] void fail(const std::string& what, int nl_error) {
    const auto text = what + ": " + nl_geterror(nl_error);
    switch (-nl_error) {
    case NLE_EXIST:
        throw Error(ErrorCode::AlreadyExists, text);
    case NLE_BUSY:
        throw Error(ErrorCode::Busy, text);
    case NLE_PERM:
    case NLE_NOACCESS:
        throw Error(ErrorCode::NotAuthorized, text, "the helper lacks CAP_NET_ADMIN");
    default:
        throw Error(ErrorCode::Internal, text);
    }
}

Held<nl_sock> open_route() {
    Held<nl_sock> socket(nl_socket_alloc(), nl_socket_free);
    if (!socket)
        throw Error(ErrorCode::Internal, "no memory for a netlink socket");
    if (const int error = nl_connect(socket.get(), NETLINK_ROUTE); error < 0)
        fail("open a netlink socket", error);
    return socket;
}

/// An RTM_NEWLINK or RTM_DELLINK message, built attribute by attribute.
class LinkMessage {
public:
    LinkMessage(int type, int flags, ifinfomsg header)
        : message_(nlmsg_alloc_simple(type, flags), nlmsg_free) {
        check(message_ ? nlmsg_append(message_.get(), &header, sizeof header, NLMSG_ALIGNTO) : -NLE_NOMEM);
    }
    LinkMessage& text(int attribute, const std::string& value) {
        check(nla_put_string(message_.get(), attribute, value.c_str()));
        return *this;
    }
    LinkMessage& byte(int attribute, uint8_t value) {
        check(nla_put_u8(message_.get(), attribute, value));
        return *this;
    }
    LinkMessage& number(int attribute, uint32_t value) {
        check(nla_put_u32(message_.get(), attribute, value));
        return *this;
    }
    LinkMessage& begin(int attribute) {
        open_.push_back(nla_nest_start(message_.get(), attribute));
        check(open_.back() ? 0 : -NLE_NOMEM);
        return *this;
    }
    LinkMessage& end() {
        nla_nest_end(message_.get(), open_.back());
        open_.pop_back();
        return *this;
    }
    /// 0, or a negative libnl error.
    int send() {
        const auto socket = open_route();
        return nl_send_sync(socket.get(), message_.release()); // takes the message, in any case
    }

private:
    static void check(int error) {
        if (error < 0)
            fail("build a netlink message", error);
    }
    Held<nl_msg> message_;
    std::vector<nlattr*> open_;
};

/// Answers RTM_GETLINK's "no such link" apart from all other failures.
Held<rtnl_link> get_link(nl_sock* socket, int index, const char* name) {
    rtnl_link* raw = nullptr;
    const int error = rtnl_link_get_kernel(socket, index, name, &raw);
    if (error < 0 && error != -NLE_NODEV && error != -NLE_OBJ_NOTFOUND)
        fail(std::string("look up link ") + (name ? name : std::to_string(index)), error);
    return {error < 0 ? nullptr : raw, rtnl_link_put};
}

std::string kind_of(rtnl_link* link) {
    const char* kind = rtnl_link_get_type(link);
    return kind ? kind : "";
}

ifinfomsg header_for(int index) {
    ifinfomsg header{};
    header.ifi_index = index;
    return header;
}

/// No IPv6 on this link: no link-local address, and, where /proc/sys can be written, no IPv6 at all. A kernel
/// that has no IPv6 answers both with an error, which is as good.
void disable_ipv6(int index, const std::string& name) {
    constexpr uint8_t mode_none = 1; // IN6_ADDR_GEN_MODE_NONE, linux/if_link.h
    LinkMessage message(RTM_NEWLINK, 0, header_for(index));
    message.begin(IFLA_AF_SPEC).begin(AF_INET6).byte(IFLA_INET6_ADDR_GEN_MODE, mode_none).end().end();
    const int error = message.send();
    const auto path = "/proc/sys/net/ipv6/conf/" + name + "/disable_ipv6";
    const OwnedFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
    const bool disabled = file && ::write(file.get(), "1", 1) == 1;
    if (error < 0 || !disabled)
        log::debug("IPv6 on " + name + ": address generation: " + nl_geterror(error) +
                   (disabled ? "; disabled" : "; not disabled"));
}

OwnedFd open_tun(const TapName& name) {
    auto fd = open_file("/dev/net/tun", O_RDWR);
    ifreq request{};
    name.str().copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (::ioctl(fd.get(), TUNSETIFF, &request) < 0)
        throw_errno("attach to tap " + name.str());
    return fd;
}

} // namespace

std::optional<Link> find(const std::string& name) {
    const auto socket = open_route();
    const auto link = get_link(socket.get(), 0, name.c_str());
    if (!link)
        return std::nullopt;
    return Link{rtnl_link_get_ifindex(link.get()), kind_of(link.get()), rtnl_link_get_master(link.get()),
                (rtnl_link_get_flags(link.get()) & IFF_UP) != 0};
}

std::vector<std::string> names_of_kind(const std::string& kind) {
    const auto socket = open_route();
    nl_cache* raw = nullptr;
    if (const int error = rtnl_link_alloc_cache(socket.get(), AF_UNSPEC, &raw); error < 0)
        fail("list the links", error);
    const Held<nl_cache> cache(raw, nl_cache_free);
    std::vector<std::string> names;
    for (auto* object = nl_cache_get_first(raw); object; object = nl_cache_get_next(object)) {
        auto* link = reinterpret_cast<rtnl_link*>(object);
        if (kind_of(link) == kind)
            names.emplace_back(rtnl_link_get_name(link));
    }
    return names;
}

std::vector<Neighbour> addresses() {
    const auto socket = open_route();
    nl_cache* raw = nullptr;
    if (const int error = rtnl_addr_alloc_cache(socket.get(), &raw); error < 0)
        fail("list the addresses", error);
    const Held<nl_cache> cache(raw, nl_cache_free);
    std::vector<Neighbour> result;
    for (auto* object = nl_cache_get_first(raw); object; object = nl_cache_get_next(object)) {
        auto* entry = reinterpret_cast<rtnl_addr*>(object);
        auto* local = rtnl_addr_get_local(entry);
        if (rtnl_addr_get_family(entry) != AF_INET || !local || nl_addr_get_len(local) != 4)
            continue;
        const int prefix = rtnl_addr_get_prefixlen(entry);
        if (prefix < 8 || prefix > 32)
            continue;
        uint32_t bits = 0;
        std::memcpy(&bits, nl_addr_get_binary_addr(local), sizeof bits);
        const auto link = get_link(socket.get(), rtnl_addr_get_ifindex(entry), nullptr);
        result.push_back(
            {link ? rtnl_link_get_name(link.get()) : "",
             Ipv4Cidr::parse(Ipv4Address::from_bits(ntohl(bits)).str() + "/" + std::to_string(prefix))});
    }
    return result;
}

void make_bridge(const BridgeName& name) {
    LinkMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, header_for(0));
    message.text(IFLA_IFNAME, name.str());
    message.begin(IFLA_LINKINFO).text(IFLA_INFO_KIND, "bridge");
    message.begin(IFLA_INFO_DATA).number(IFLA_BR_STP_STATE, 0).number(IFLA_BR_FORWARD_DELAY, 0).end().end();
    if (const int error = message.send(); error < 0)
        fail("make bridge " + name.str(), error);
    if (const auto link = find(name.str()))
        disable_ipv6(link->index, name.str());
}

void add_address(int index, const Ipv4Cidr& address) {
    const auto socket = open_route();
    const Held<rtnl_addr> entry(rtnl_addr_alloc(), rtnl_addr_put);
    const uint32_t bits = htonl(address.address().bits());
    const uint32_t all = htonl(address.broadcast().bits());
    const Held<nl_addr> local(nl_addr_build(AF_INET, &bits, sizeof bits), nl_addr_put);
    const Held<nl_addr> broadcast(nl_addr_build(AF_INET, &all, sizeof all), nl_addr_put);
    if (!entry || !local || !broadcast)
        throw Error(ErrorCode::Internal, "no memory for an address");
    rtnl_addr_set_ifindex(entry.get(), index);
    rtnl_addr_set_local(entry.get(), local.get());
    rtnl_addr_set_prefixlen(entry.get(), static_cast<int>(address.prefix()));
    if (address.prefix() < 31)
        rtnl_addr_set_broadcast(entry.get(), broadcast.get());
    const int error = rtnl_addr_add(socket.get(), entry.get(), 0);
    if (error < 0 && error != -NLE_EXIST)
        fail("add address " + address.str(), error);
}

void set_up(int index) {
    auto header = header_for(index);
    header.ifi_flags = IFF_UP;
    header.ifi_change = IFF_UP;
    if (const int error = LinkMessage(RTM_NEWLINK, 0, header).send(); error < 0)
        fail("set link " + std::to_string(index) + " up", error);
}

void remove(int index) {
    const int error = LinkMessage(RTM_DELLINK, 0, header_for(index)).send();
    if (error < 0 && error != -NLE_NODEV && error != -NLE_OBJ_NOTFOUND)
        fail("remove link " + std::to_string(index), error);
}

void make_tap(const TapName& name, unsigned uid, unsigned gid, int bridge_index, bool isolated) {
    {
        const auto fd = open_tun(name);
        if (::ioctl(fd.get(), TUNSETOWNER, static_cast<unsigned long>(uid)) < 0 ||
            ::ioctl(fd.get(), TUNSETGROUP, static_cast<unsigned long>(gid)) < 0 ||
            ::ioctl(fd.get(), TUNSETPERSIST, 1UL) < 0)
            throw_errno("set the owner of tap " + name.str());
    }
    const auto link = find(name.str());
    if (!link)
        throw Error(ErrorCode::Internal, "tap " + name.str() + " vanished while it was made");
    disable_ipv6(link->index, name.str());
    // Master first: a port's flags can be set only once it is one.
    LinkMessage join(RTM_NEWLINK, 0, header_for(link->index));
    join.number(IFLA_MASTER, static_cast<uint32_t>(bridge_index));
    if (const int error = join.send(); error < 0)
        fail("connect tap " + name.str() + " to its bridge", error);
    LinkMessage isolate(RTM_NEWLINK, 0, header_for(link->index));
    isolate.begin(IFLA_LINKINFO).text(IFLA_INFO_SLAVE_KIND, "bridge");
    isolate.begin(IFLA_INFO_SLAVE_DATA).byte(IFLA_BRPORT_ISOLATED, isolated ? 1 : 0).end().end();
    if (const int error = isolate.send(); error < 0)
        fail("isolate tap " + name.str(), error);
    set_up(link->index);
}

OwnedFd attach_tap(const TapName& name) {
    if (const auto link = find(name.str()); !link || link->kind != "tun")
        throw Error(ErrorCode::FailedPrecondition, "tap " + name.str() + " is not there any more",
                    "delete the tap and create it again");
    return open_tun(name);
}

} // namespace banger::helper::links
