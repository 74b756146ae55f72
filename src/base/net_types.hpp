// IPv4 addresses and networks, MAC addresses.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace banger {

/// An IPv4 address, in host byte order inside.
class Ipv4Address {
public:
    /// Four decimal numbers, no leading zeros, nothing else; throws InvalidArgument.
    static Ipv4Address parse(std::string_view text);
    static constexpr Ipv4Address from_bits(uint32_t bits) { return Ipv4Address(bits); }
    uint32_t bits() const noexcept { return bits_; }
    std::string str() const;
    /// RFC 1918: 10/8, 172.16/12, 192.168/16.
    bool is_private() const noexcept;
    auto operator<=>(const Ipv4Address&) const = default;

private:
    explicit constexpr Ipv4Address(uint32_t bits)
        : bits_(bits) {}
    uint32_t bits_;
};

/// An address inside a network: "172.30.0.1/24".
class Ipv4Cidr {
public:
    /// Throws InvalidArgument unless it is ADDRESS/PREFIX with a prefix of 8 to 32.
    static Ipv4Cidr parse(std::string_view text);
    Ipv4Address address() const noexcept { return address_; }
    unsigned prefix() const noexcept { return prefix_; }
    uint32_t mask() const noexcept { return prefix_ == 0 ? 0 : ~uint32_t{0} << (32 - prefix_); }
    Ipv4Address network() const noexcept { return Ipv4Address::from_bits(address_.bits() & mask()); }
    Ipv4Address broadcast() const noexcept { return Ipv4Address::from_bits(address_.bits() | ~mask()); }
    bool contains(Ipv4Address other) const noexcept { return (other.bits() & mask()) == network().bits(); }
    bool overlaps(const Ipv4Cidr& other) const noexcept {
        return contains(other.network()) || other.contains(network());
    }
    std::string str() const;
    bool operator==(const Ipv4Cidr&) const = default;

private:
    Ipv4Cidr(Ipv4Address address, unsigned prefix)
        : address_(address)
        , prefix_(prefix) {}
    Ipv4Address address_;
    unsigned prefix_;
};

/// The MAC of the guest with this address: 06:00 and the four bytes of the address (locally administered,
/// unicast).
std::string guest_mac(Ipv4Address address);
/// The same network's netmask, "255.255.255.0".
std::string netmask(const Ipv4Cidr& cidr);

} // namespace banger
