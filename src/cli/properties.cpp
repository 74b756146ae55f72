#include "cli/properties.hpp"

#include "cli/text.hpp"

#include <array>
#include <chrono>

namespace banger::cli {

Json time_json(uint64_t unix_us) {
    return unix_us == 0 ? Json(nullptr) : Json(rfc3339(unix_us));
}

std::string span(uint64_t from_us, uint64_t to_us) {
    struct Unit {
        uint64_t seconds;
        uint64_t from; ///< how many of them the unit begins with
        const char* name;
    };
    // Two of the next smaller unit say more than one of this one, from days on: "47 hours".
    static constexpr std::array<Unit, 7> units{{{365 * 86400, 2, "year"},
                                                {30 * 86400, 2, "month"},
                                                {7 * 86400, 2, "week"},
                                                {86400, 2, "day"},
                                                {3600, 1, "hour"},
                                                {60, 1, "minute"},
                                                {1, 1, "second"}}};
    const uint64_t seconds = (to_us > from_us ? to_us - from_us : 0) / 1'000'000;
    for (const auto& unit : units) {
        const auto count = seconds / unit.seconds;
        if (count >= unit.from)
            return std::to_string(count) + " " + unit.name + (count == 1 ? "" : "s");
    }
    return "a moment";
}

std::string age(uint64_t unix_us, uint64_t now) {
    return unix_us == 0 ? "" : span(unix_us, now) + " ago";
}

uint64_t unix_now() {
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                     std::chrono::system_clock::now().time_since_epoch())
                                     .count());
}

} // namespace banger::cli
