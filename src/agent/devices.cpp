#include "agent/devices.hpp"

#include "agent/console.hpp"
#include "agent/stream.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace banger::agent {

DeviceEvents::DeviceEvents()
    : fd_(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT)) {
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = 1; // the kernel's own events
    if (!fd_ || ::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
        throw_errno("listen for device events");
}

void DeviceEvents::drain() const noexcept {
    std::array<char, 8192> buffer;
    // ENOBUFS says that events were lost: whoever waits asks anew in any case.
    while (::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) >= 0 || errno == EINTR ||
           errno == ENOBUFS)
        continue;
}

bool DeviceEvents::wait(const std::function<bool()>& is_there, int limit_ms) const {
    const Deadline limit = Clock::now() + std::chrono::milliseconds(limit_ms);
    while (!is_there()) {
        if (!wait_readable(fd_.get(), poll_timeout(limit)))
            return is_there();
        drain();
    }
    return true;
}

std::vector<ModuleLine> parse_module_order(std::string_view text) {
    std::vector<ModuleLine> lines;
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (line.empty())
            continue;
        const auto blank = line.find(' ');
        const auto file = blank == line.npos ? std::string_view() : line.substr(blank + 1);
        if (blank == 0 || file.empty() || file.find_first_of("/ ") != file.npos || file.starts_with('.'))
            throw Error(ErrorCode::InvalidArgument,
                        "malformed line in /modules/order: " + std::string(line.substr(0, 64)));
        lines.push_back({std::string(line.substr(0, blank)), std::string(file)});
    }
    return lines;
}

bool needs_group(std::string_view group, const BootConfig& config) {
    if (group == "core" || group == "rng")
        return true;
    if (group == "blk" || group == "fs")
        return config.root != RootKind::None;
    if (group == "overlay")
        return config.root == RootKind::Overlay;
    if (group == "net")
        return config.address.has_value();
    if (group == "serial")
        return config.transport == Transport::Serial;
    return group == "vsock" && config.transport == Transport::Vsock;
}

void load_modules(const std::string& folder, const BootConfig& config) {
    if (::access((folder + "/order").c_str(), F_OK) < 0)
        return; // a kernel with everything built in
    for (const auto& [group, file] : parse_module_order(read_file(folder + "/order", 1 << 20))) {
        if (!needs_group(group, config))
            continue;
        const OwnedFd module(::open((folder + "/" + file).c_str(), O_RDONLY | O_CLOEXEC));
        if (!module || (::syscall(SYS_finit_module, module.get(), "", 0) < 0 && errno != EEXIST))
            say("module " + file + ": " + std::strerror(errno));
    }
}

} // namespace banger::agent
