#include "cli/text.hpp"

#include "base/error.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>

namespace banger::cli {

namespace {

bool continues(char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

struct Unit {
    std::string_view name;
    double milliseconds;
};
constexpr std::array<Unit, 6> units{
    {{"ms", 1}, {"s", 1e3}, {"", 1e3}, {"m", 60e3}, {"min", 60e3}, {"h", 3600e3}}};

} // namespace

std::string safe_text(std::string_view text, bool keep_newlines) {
    std::string result;
    result.reserve(text.size());
    for (size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const bool c1 = byte == 0xC2 && i + 1 < text.size() &&
                        static_cast<unsigned char>(text[i + 1]) < 0xA0 && continues(text[i + 1]);
        const bool wanted = byte == '\t' || (byte == '\n' && keep_newlines);
        if (c1)
            ++i;
        result += c1 || ((byte < 0x20 || byte == 0x7F) && !wanted) ? '?' : text[i];
    }
    return result;
}

size_t display_width(std::string_view text) {
    size_t width = 0;
    for (const char byte : text)
        width += continues(byte) ? 0 : 1;
    return width;
}

std::string shorten(const std::string& text, size_t columns) {
    if (display_width(text) <= columns)
        return text;
    size_t end = 0;
    for (size_t width = 0; end < text.size(); ++end)
        if (!continues(text[end]) && ++width >= columns)
            break;
    return columns == 0 ? "" : text.substr(0, end) + "…";
}

std::chrono::milliseconds parse_duration(std::string_view text, std::string_view option) {
    double number = 0;
    const auto [rest, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    const std::string_view unit(rest, static_cast<size_t>(text.data() + text.size() - rest));
    for (const auto& known : units) {
        if (error != std::errc() || unit != known.name)
            continue;
        const double result = std::round(number * known.milliseconds);
        if (result >= 1 && result <= 30.0 * 24 * 3600e3)
            return std::chrono::milliseconds(static_cast<int64_t>(result));
    }
    throw Error(ErrorCode::InvalidArgument,
                std::string(option) + ": '" + safe_text(text) + "' is not a duration",
                "write 30s, 5m or 500ms; at least a millisecond, at most 30 days");
}

std::string human_duration(std::chrono::milliseconds duration) {
    const auto ms = std::max<int64_t>(0, duration.count());
    std::array<char, 32> buffer{};
    if (ms < 1000)
        std::snprintf(buffer.data(), buffer.size(), "%d ms", static_cast<int>(ms));
    else if (ms < 100'000)
        std::snprintf(buffer.data(), buffer.size(), "%.1f s", static_cast<double>(ms) / 1e3);
    else if (ms < 100 * 60'000)
        std::snprintf(buffer.data(), buffer.size(), "%lld min", static_cast<long long>(ms / 60'000));
    else if (ms < int64_t{48} * 3600'000)
        std::snprintf(buffer.data(), buffer.size(), "%lld h", static_cast<long long>(ms / 3600'000));
    else
        std::snprintf(buffer.data(), buffer.size(), "%lld d", static_cast<long long>(ms / (24 * 3600'000)));
    return buffer.data();
}

std::string rfc3339(uint64_t unix_us) {
    const auto seconds = static_cast<time_t>(unix_us / 1'000'000);
    struct tm parts{};
    std::array<char, 64> buffer{};
    if (!::gmtime_r(&seconds, &parts) || std::strftime(buffer.data(), buffer.size(), "%FT%TZ", &parts) == 0)
        return {};
    return buffer.data();
}

} // namespace banger::cli
