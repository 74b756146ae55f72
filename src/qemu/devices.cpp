#include "qemu/devices.hpp"

#include "base/error.hpp"
#include "base/fd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace banger::qemu {

namespace {

constexpr uint64_t most = 1000000000000000; // THROTTLE_VALUE_MAX

[[noreturn]] void refuse(const std::string& message) {
    throw Error(ErrorCode::InvalidArgument, message);
}

} // namespace

void check_device_count(const VmConfig& config) {
    const auto count = config.drives.size() + config.interfaces.size() + config.vsock.has_value() +
                       config.entropy.has_value() + config.balloon.has_value();
    if (count > virtio_places)
        refuse("Start microvm error: " + std::to_string(count) + " devices are more than the " +
               std::to_string(virtio_places) + " that a machine has places for.");
}

void check_kernel(const std::string& path) {
    constexpr size_t boot_magic_at = 0x202; // "HdrS": the x86 boot protocol (Documentation/arch/x86/boot.rst)
    std::array<char, boot_magic_at + 4> head{};
    const auto file = open_file(path, O_RDONLY);
    const auto n = ::pread(file.get(), head.data(), head.size(), 0);
    const std::string_view text(head.data(), n > 0 ? static_cast<size_t>(n) : 0);
    constexpr std::string_view elf64("\x7f"
                                     "ELF\x02",
                                     5);
    if (!text.starts_with(elf64) && !(text.size() == head.size() && text.ends_with("HdrS")))
        refuse("Cannot load kernel due to invalid memory configuration or invalid kernel image: " + path +
               " is neither a bzImage nor a 64-bit ELF image.");
}

void check_drive_limits(const Drive& drive) {
    if (!drive.rate_limiter)
        return;
    to_throttle(drive.rate_limiter->bandwidth);
    to_throttle(drive.rate_limiter->ops);
}

void check_network_limits(const std::optional<RateLimiter>& rx, const std::optional<RateLimiter>& tx) {
    if ((rx && rx->limits()) || (tx && tx->limits()))
        refuse("Network config error: banger-qemu has no rate limiter on network interfaces.");
}

void check_entropy_limits(const Entropy& entropy) {
    if (!entropy.rate_limiter)
        return;
    if (entropy.rate_limiter->ops)
        refuse(
            "Entropy config error: banger-qemu limits the entropy device by bandwidth, not by operations.");
    to_throttle(entropy.rate_limiter->bandwidth);
}

Throttle to_throttle(const std::optional<TokenBucket>& bucket) {
    // Firecracker too takes a bucket with a zero in it for no limit.
    if (!bucket || bucket->size == 0 || bucket->refill_time == 0)
        return {};
    const auto size = bucket->size;
    const auto burst = bucket->one_time_burst.value_or(0);
    const auto rate = size > most ? size : std::max<uint64_t>(size * 1000 / bucket->refill_time, 1);
    if (rate > most || burst > most)
        refuse("the rate limiter's numbers are larger than QEMU can count.");
    // A bucket starts full, and may be emptied at once: what it holds beyond one second's worth is the burst.
    const auto peak = std::min(std::max(size, size + burst), most);
    return {rate, peak > rate ? peak : 0};
}

} // namespace banger::qemu
