// What listens: /proc/net and, for the names, who holds which socket.
#include "agent/session.hpp"
#include "base/file.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <unordered_map>

namespace banger::agent {

namespace {

constexpr size_t max_proc_file = 8 << 20;
constexpr std::string_view tcp_listen = "0A";
constexpr std::string_view udp_unconnected = "07";

std::vector<std::string_view> words(std::string_view line) {
    std::vector<std::string_view> result;
    for (size_t at = 0; (at = line.find_first_not_of(' ', at)) != line.npos;) {
        const auto end = std::min(line.find(' ', at), line.size());
        result.push_back(line.substr(at, end - at));
        at = end;
    }
    return result;
}

template <class Number>
bool parse_number(std::string_view text, Number& number, int base) {
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    return problem == std::errc{} && end == text.data() + text.size();
}

/// The kernel prints addresses as 32-bit words in host order, each of 8 hex digits (proc(5)). Empty when
/// malformed.
std::string address_of(std::string_view hex) {
    std::array<uint32_t, 4> bits{};
    const auto count = hex.size() / 8;
    if (hex.size() % 8 != 0 || (count != 1 && count != 4))
        return {};
    for (size_t i = 0; i < count; i++)
        if (!parse_number(hex.substr(i * 8, 8), bits.at(i), 16))
            return {};
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(count == 1 ? AF_INET : AF_INET6, bits.data(), text.data(), text.size());
    return text.data();
}

/// Names of the processes that hold sockets, by the sockets' inodes.
std::unordered_map<uint64_t, std::string> socket_holders(const std::set<uint64_t>& wanted) {
    std::unordered_map<uint64_t, std::string> holders;
    const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), ::closedir);
    while (const dirent* process = proc ? ::readdir(proc.get()) : nullptr) {
        if (process->d_name[0] < '1' || process->d_name[0] > '9')
            continue;
        const auto base = std::string("/proc/") + process->d_name;
        const std::unique_ptr<DIR, int (*)(DIR*)> fds(::opendir((base + "/fd").c_str()), ::closedir);
        while (const dirent* fd = fds ? ::readdir(fds.get()) : nullptr) {
            std::array<char, 64> target{};
            const auto n = ::readlinkat(::dirfd(fds.get()), fd->d_name, target.data(), target.size() - 1);
            const std::string_view link(target.data(), n > 0 ? static_cast<size_t>(n) : 0);
            uint64_t inode = 0;
            if (!link.starts_with("socket:[") || !parse_number(link.substr(8, link.size() - 9), inode, 10) ||
                !wanted.contains(inode) || holders.contains(inode))
                continue;
            auto name = read_file(base + "/comm", 64);
            holders[inode] = name.substr(0, name.find('\n'));
        }
    }
    return holders;
}

std::string text_of(const char* path) {
    try {
        return read_file(path, max_proc_file);
    } catch (const Error&) {
        return {}; // a kernel without IPv6
    }
}

} // namespace

std::vector<ListeningPort> parse_proc_net(std::string_view text, std::string_view protocol,
                                          std::vector<uint64_t>& inodes) {
    std::vector<ListeningPort> ports;
    const auto listening = protocol == "tcp" ? tcp_listen : udp_unconnected;
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        const auto fields = words(line);
        if (fields.size() < 10 || fields[3] != listening)
            continue;
        const auto colon = fields[1].find(':');
        ListeningPort port;
        port.protocol = protocol;
        uint64_t inode = 0;
        if (colon == line.npos || !parse_number(fields[1].substr(colon + 1), port.port, 16) ||
            !parse_number(fields[9], inode, 10))
            continue;
        port.address = address_of(fields[1].substr(0, colon));
        if (port.address.empty())
            continue;
        ports.push_back(std::move(port));
        inodes.push_back(inode);
    }
    return ports;
}

std::vector<ListeningPort> listening_ports() {
    std::vector<ListeningPort> ports;
    std::vector<uint64_t> inodes;
    constexpr std::array<std::pair<const char*, const char*>, 4> files{{{"/proc/net/tcp", "tcp"},
                                                                        {"/proc/net/tcp6", "tcp"},
                                                                        {"/proc/net/udp", "udp"},
                                                                        {"/proc/net/udp6", "udp"}}};
    for (const auto& [path, protocol] : files)
        for (auto& port : parse_proc_net(text_of(path), protocol, inodes))
            ports.push_back(std::move(port));
    try {
        const auto holders = socket_holders({inodes.begin(), inodes.end()});
        for (size_t i = 0; i < ports.size(); i++)
            if (const auto found = holders.find(inodes[i]); found != holders.end())
                ports[i].process = found->second;
    } catch (const Error&) {
        // A process ended while it was looked at: its sockets stay without a name.
    }
    return ports;
}

} // namespace banger::agent
