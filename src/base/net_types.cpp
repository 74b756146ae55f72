#include "base/net_types.hpp"

#include "base/error.hpp"

#include <arpa/inet.h>

#include <charconv>
#include <cstdio>

namespace banger {

Ipv4Address Ipv4Address::parse(std::string_view text) {
    in_addr address{};
    // inet_pton takes exactly dotted quads of decimal numbers; a leading zero is refused by its glibc form as
    // well.
    if (text.size() > 15 || text.find('\0') != text.npos ||
        ::inet_pton(AF_INET, std::string(text).c_str(), &address) != 1)
        throw Error(ErrorCode::InvalidArgument, "not an IPv4 address: " + std::string(text.substr(0, 32)));
    return Ipv4Address(ntohl(address.s_addr));
}

std::string Ipv4Address::str() const {
    const in_addr address{htonl(bits_)};
    char buffer[INET_ADDRSTRLEN];
    return ::inet_ntop(AF_INET, &address, buffer, sizeof buffer);
}

bool Ipv4Address::is_private() const noexcept {
    return (bits_ >> 24) == 10 || (bits_ >> 20) == 0xac1 || (bits_ >> 16) == 0xc0a8;
}

Ipv4Cidr Ipv4Cidr::parse(std::string_view text) {
    const auto slash = text.find('/');
    unsigned prefix = 0;
    const auto tail = slash == text.npos ? std::string_view() : text.substr(slash + 1);
    const auto [end, problem] = std::from_chars(tail.data(), tail.data() + tail.size(), prefix);
    if (tail.empty() || problem != std::errc{} || end != tail.data() + tail.size() || prefix < 8 ||
        prefix > 32)
        throw Error(ErrorCode::InvalidArgument,
                    "not an IPv4 address with a prefix: " + std::string(text.substr(0, 32)),
                    "write it as ADDRESS/PREFIX, the prefix from 8 to 32");
    return {Ipv4Address::parse(text.substr(0, slash)), prefix};
}

std::string Ipv4Cidr::str() const {
    return address_.str() + "/" + std::to_string(prefix_);
}

std::string guest_mac(Ipv4Address address) {
    char buffer[18];
    const auto bits = address.bits();
    std::snprintf(buffer, sizeof buffer, "06:00:%02x:%02x:%02x:%02x", bits >> 24, bits >> 16 & 255,
                  bits >> 8 & 255, bits & 255);
    return buffer;
}

std::string netmask(const Ipv4Cidr& cidr) {
    return Ipv4Address::from_bits(cidr.mask()).str();
}

} // namespace banger
