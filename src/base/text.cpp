#include "base/text.hpp"

#include <utility>

namespace banger {

namespace {

constexpr char32_t bad = 0xffffffff;

/// The character at the begin of `text` and its length in bytes; `bad` and 1 where there is none (RFC 3629:
/// no overlong forms, no surrogates, nothing beyond U+10FFFF).
std::pair<char32_t, size_t> first_character(std::string_view text) {
    const auto byte = [&](size_t at) { return static_cast<unsigned char>(text[at]); };
    const auto lead = byte(0);
    if (lead < 0x80)
        return {lead, 1};
    const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < length)
        return {bad, 1};
    char32_t value = lead & (0x7fu >> length);
    for (size_t at = 1; at < length; ++at) {
        if ((byte(at) & 0xc0) != 0x80)
            return {bad, 1};
        value = value << 6 | (byte(at) & 0x3fu);
    }
    constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return {bad, 1};
    return {value, length};
}

bool is_control(char32_t c) {
    return (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0);
}

} // namespace

std::string printable_text(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    while (!text.empty()) {
        const auto [character, length] = first_character(text);
        if (character == bad || is_control(character))
            result += '?';
        else
            result += text.substr(0, length);
        text.remove_prefix(length);
    }
    return result;
}

} // namespace banger
