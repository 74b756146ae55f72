#include "qemu/tap.hpp"

#include "base/error.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <charconv>
#include <cstring>

namespace banger::qemu {

namespace {

void check_name(const std::string& name) {
    if (name.empty() || name.size() >= IFNAMSIZ || name.find_first_of("/% ") != name.npos)
        throw Error(ErrorCode::InvalidArgument, "Invalid interface name");
}

OwnedFd open_tap(const std::string& name) {
    auto fd = open_file("/dev/net/tun", O_RDWR | O_NONBLOCK);
    ifreq request{};
    std::memcpy(request.ifr_name, name.c_str(), name.size());
    // With a virtio-net header on each packet (linux/if_tun.h), as QEMU and virtio-net want it for offloads.
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (::ioctl(fd.get(), TUNSETIFF, &request) < 0)
        throw_errno("attach to tap " + name);
    return fd;
}

} // namespace

void TapTable::add_given(const std::string& text) {
    const auto equals = text.find('=');
    int number = -1;
    const auto* end = text.data() + text.size();
    const auto* digits = equals == text.npos ? end : text.data() + equals + 1;
    const auto [last, error] = std::from_chars(digits, end, number);
    if (error != std::errc() || last != end || number < 3)
        throw Error(ErrorCode::InvalidArgument,
                    "--tap takes NAME=FD with a descriptor number from 3, not " + text);
    const auto name = text.substr(0, equals);
    check_name(name);
    if (::fcntl(number, F_SETFD, FD_CLOEXEC) < 0)
        throw Error(ErrorCode::InvalidArgument, "--tap " + text + ": the descriptor is not open");
    taps_[name] = OwnedFd(number);
}

void TapTable::ensure(const std::string& name) {
    check_name(name);
    if (fd(name) < 0)
        taps_[name] = open_tap(name);
}

int TapTable::fd(const std::string& name) const {
    const auto found = taps_.find(name);
    return found == taps_.end() ? -1 : found->second.get();
}

} // namespace banger::qemu
