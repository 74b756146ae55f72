#include "helper/limits.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <string>

namespace banger::helper {

void Throttle::enter(uint32_t uid, size_t bytes, Clock::time_point now) {
    auto& state = states_[uid];
    const std::chrono::duration<double> passed = now - state.filled;
    state.tokens = std::min(call_burst, state.tokens + passed.count() * calls_per_second);
    state.filled = now;
    if (state.pending >= pending_per_owner)
        throw Error(ErrorCode::Busy,
                    std::to_string(pending_per_owner) + " calls of yours are under way already",
                    "try again when some of them were answered");
    if (bytes > bytes_per_owner - std::min(bytes_per_owner, state.bytes))
        throw Error(ErrorCode::Busy,
                    "your calls under way hold " + std::to_string(state.bytes) + " bytes already, and " +
                        std::to_string(bytes_per_owner) + " is the limit",
                    "try again when some of them were answered");
    if (state.tokens < 1)
        throw Error(ErrorCode::Busy, "too many calls in too short a time", "try again in a moment");
    state.tokens -= 1;
    ++state.pending;
    state.bytes += bytes;
}

void Throttle::leave(uint32_t uid, size_t bytes) noexcept {
    const auto found = states_.find(uid);
    if (found == states_.end() || found->second.pending == 0)
        return;
    --found->second.pending;
    found->second.bytes -= std::min(found->second.bytes, bytes);
}

bool Throttle::worth_a_warning(uint32_t uid, Clock::time_point now) {
    auto& warned = states_[uid].warned;
    if (now - warned < std::chrono::seconds(1))
        return false;
    warned = now;
    return true;
}

} // namespace banger::helper
