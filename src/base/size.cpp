#include "base/size.hpp"

#include "base/error.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace banger {

namespace {

constexpr std::string_view letters = "KMGTP";

/// The multiplier of "", "B", "K", "KB", "KiB" …; 0 when unknown.
double unit_factor(std::string_view unit, uint64_t bare_unit) {
    if (unit.empty())
        return static_cast<double>(bare_unit);
    if (unit == "B" || unit == "b")
        return 1;
    const char upper = static_cast<char>(unit.front() & ~0x20);
    const auto power = letters.find(upper);
    const auto rest = unit.substr(1);
    if (power == letters.npos ||
        !(rest.empty() || rest == "B" || rest == "b" || rest == "iB" || rest == "ib"))
        return 0;
    return std::pow(1024.0, static_cast<double>(power + 1));
}

} // namespace

uint64_t parse_size(std::string_view text, uint64_t bare_unit) {
    double number = 0;
    const auto* last = text.data() + text.size();
    const auto [end, problem] = std::from_chars(text.data(), last, number, std::chars_format::fixed);
    const double factor = problem == std::errc{} ? unit_factor({end, last}, bare_unit) : 0;
    const double bytes = number * factor;
    if (!(bytes >= 1) || bytes >= 9.2e18)
        throw Error(ErrorCode::InvalidArgument, "not a size: " + std::string(text.substr(0, 32)),
                    "write it like 512M, 4G or 1.5GiB");
    return static_cast<uint64_t>(bytes);
}

std::string human_size(uint64_t bytes) {
    static constexpr std::array<const char*, 6> units{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    auto value = static_cast<double>(bytes);
    size_t unit = 0;
    for (; value >= 1024 && unit + 1 < units.size(); ++unit)
        value /= 1024;
    char buffer[32];
    const bool whole = unit == 0 || value >= 100 || value == std::floor(value);
    std::snprintf(buffer, sizeof buffer, whole ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return buffer;
}

} // namespace banger
