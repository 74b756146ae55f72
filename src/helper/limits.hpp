// What one owner may have and ask for. No caller's number goes unbounded.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>

namespace banger::helper {

inline constexpr size_t vms_per_owner = 256;
inline constexpr size_t snapshots_per_owner = 128;
inline constexpr uint64_t least_disk = 64 << 10;           ///< bytes of a rootfs or cow
inline constexpr uint64_t most_rootfs = uint64_t{1} << 40; ///< bytes
/// Bytes. The kernel keeps an entry in its memory for each chunk that was written to.
inline constexpr uint64_t most_cow = uint64_t{64} << 30;
inline constexpr uint64_t cow_bytes_per_owner = uint64_t{256} << 30; ///< all cows together
inline constexpr size_t bridges_per_owner = 4;
inline constexpr size_t pending_per_owner = 64;
inline constexpr size_t waits_per_owner = 32; ///< fewer than calls: they take long
/// What the calls under way hold of an owner's, and of all. A call's message and its copies take some more.
inline constexpr size_t bytes_per_owner = 16 << 20;
inline constexpr size_t bytes_of_all = 128 << 20;
inline constexpr double call_burst = 200;
inline constexpr double calls_per_second = 100;

/// Calls under way, what they hold, and calls per second, by uid. The rate is a token bucket.
class Throttle {
public:
    using Clock = std::chrono::steady_clock;

    /// Counts one more call under way, which holds `bytes`; throws Busy when that, or the rate, is too much.
    void enter(uint32_t uid, size_t bytes, Clock::time_point now);
    void leave(uint32_t uid, size_t bytes) noexcept;
    /// True at most once a second per uid: whether a refusal of enter() is worth a warning.
    bool worth_a_warning(uint32_t uid, Clock::time_point now);

private:
    struct State {
        size_t pending = 0;
        size_t bytes = 0;
        double tokens = call_burst;
        Clock::time_point filled{};
        Clock::time_point warned{};
    };
    std::map<uint32_t, State> states_; // one per registered owner: bounded by their number
};

} // namespace banger::helper
