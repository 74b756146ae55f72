#include "cli/properties.hpp"

#include "cli/text.hpp"

#include <chrono>

namespace banger::cli {

Json time_json(uint64_t unix_us) {
    return unix_us == 0 ? Json(nullptr) : Json(rfc3339(unix_us));
}

std::string age(uint64_t unix_us, uint64_t now) {
    if (unix_us == 0)
        return {};
    const auto seconds = std::chrono::seconds((now > unix_us ? now - unix_us : 0) / 1'000'000);
    if (seconds.count() == 0)
        return "now";
    if (seconds.count() < 100)
        return std::to_string(seconds.count()) + " s ago";
    return human_duration(seconds) + " ago";
}

uint64_t unix_now() {
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                     std::chrono::system_clock::now().time_since_epoch())
                                     .count());
}

} // namespace banger::cli
