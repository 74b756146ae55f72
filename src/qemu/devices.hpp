// What QEMU's microvm can be made of, and how Firecracker's terms are said in QEMU's.
#pragma once

#include "qemu/config.hpp"

namespace banger::qemu {

/// Places for virtio devices on the microvm machine. It has 24 with both of its interrupt controllers (QEMU's
/// hw/i386/microvm.c), of which the one at bus 0 never gets its interrupt (tried: QEMU 7.2, TCG; the guest
/// waits for ever).
inline constexpr size_t virtio_places = 23;

/// Throws where the machine has fewer places than the configuration has devices.
void check_device_count(const VmConfig& config);

/// Throws unless the file begins as a kernel does that QEMU boots on microvm: a bzImage, or a 64-bit ELF
/// image.
void check_kernel(const std::string& path);

/// Throws where QEMU has no such limit.
void check_drive_limits(const Drive& drive);
void check_network_limits(const std::optional<RateLimiter>& rx, const std::optional<RateLimiter>& tx);
void check_entropy_limits(const Entropy& entropy);

/// A token bucket as a steady rate and what may go in one burst, both per second; QEMU's throttle knows no
/// other.
struct Throttle {
    uint64_t rate = 0;  ///< 0: no limit
    uint64_t burst = 0; ///< 0: QEMU's own, a tenth of the rate
};
/// A bucket without a size or a refill time is no limit. Throws when it says more than QEMU can count
/// (10^15).
Throttle to_throttle(const std::optional<TokenBucket>& bucket);

} // namespace banger::qemu
