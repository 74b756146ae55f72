#include "agent/network.hpp"

#include "agent/console.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/file.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

namespace banger::agent {

namespace {

// The kernel's name for the first network device; the command line has net.ifnames=0 so that udev leaves it.
constexpr const char* interface = "eth0";
constexpr std::string_view our_line = "# banger";
constexpr size_t max_hosts = 1 << 20;

sockaddr socket_address(uint32_t bits) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(bits);
    sockaddr result{};
    std::memcpy(&result, &address, sizeof address);
    return result;
}

ifreq request_for(const char* name) {
    ifreq request{};
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    return request;
}

void control(int fd, unsigned long operation, void* argument, const std::string& what) {
    if (::ioctl(fd, operation, argument) < 0)
        throw_errno(what);
}

void bring_up(int fd, const char* name) {
    auto request = request_for(name);
    request.ifr_flags = IFF_UP;
    control(fd, SIOCSIFFLAGS, &request, std::string("bring up ") + name);
}

void set_address(int fd, const Ipv4Cidr& address) {
    auto request = request_for(interface);
    request.ifr_addr = socket_address(address.address().bits());
    control(fd, SIOCSIFADDR, &request, "set the network address");
    request.ifr_netmask = socket_address(address.mask());
    control(fd, SIOCSIFNETMASK, &request, "set the network mask");
}

void set_default_route(int fd, Ipv4Address gateway) {
    rtentry route{};
    route.rt_dst = socket_address(0);
    route.rt_genmask = socket_address(0);
    route.rt_gateway = socket_address(gateway.bits());
    route.rt_flags = RTF_UP | RTF_GATEWAY;
    control(fd, SIOCADDRT, &route, "set the default route");
}

std::string text_or_nothing(const char* path) {
    try {
        return read_file(path, max_hosts);
    } catch (const Error&) {
        return {};
    }
}

/// Replaces a file only where its content differs: each write into an overlay costs a copy. A symlink (as
/// systemd-resolved's for resolv.conf) gives way to a file.
void write_if_new(const char* path, const std::string& content) {
    struct stat status{};
    const bool regular = ::lstat(path, &status) == 0 && S_ISREG(status.st_mode);
    if (regular && text_or_nothing(path) == content)
        return;
    ::unlink(path);
    const auto file = open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
    write_all(file.get(), content, path);
}

} // namespace

void configure_network(const BootConfig& config) {
    const OwnedFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd)
        throw_errno("network socket");
    bring_up(fd.get(), "lo");
    if (!config.address)
        return;
    set_address(fd.get(), *config.address);
    bring_up(fd.get(), interface);
    if (config.gateway)
        set_default_route(fd.get(), *config.gateway);
}

std::string hosts_with(std::string_view before, std::string_view hostname) {
    std::string text;
    bool localhost = false;
    while (!before.empty()) {
        const auto line = before.substr(0, before.find('\n'));
        before.remove_prefix(std::min(line.size() + 1, before.size()));
        if (line.ends_with(our_line))
            continue;
        localhost = localhost || (line.starts_with("127.") && line.find("localhost") != line.npos);
        text += std::string(line) + "\n";
    }
    if (!localhost)
        text.insert(0, "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n");
    return text + "127.0.1.1 " + std::string(hostname) + " " + std::string(our_line) + "\n";
}

void write_identity(const BootConfig& config) noexcept {
    try {
        if (!config.hostname.empty() && ::sethostname(config.hostname.data(), config.hostname.size()) < 0)
            throw_errno("set the hostname");
        if (config.root == RootKind::None)
            return;
        ::mkdir("/etc", 0755);
        if (!config.hostname.empty()) {
            write_if_new("/etc/hostname", config.hostname + "\n");
            write_if_new("/etc/hosts", hosts_with(text_or_nothing("/etc/hosts"), config.hostname));
        }
        if (config.dns)
            write_if_new("/etc/resolv.conf", "nameserver " + config.dns->str() + "\n");
    } catch (const std::exception& error) {
        say(error.what());
    }
}

} // namespace banger::agent
