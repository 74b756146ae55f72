#include "agent/message.hpp"

#include "agent/protocol.hpp"

namespace banger::agent {

namespace {

constexpr int max_depth = 4;

bool is_continuation(unsigned char byte) {
    return (byte & 0xc0) == 0x80;
}

/// How many bytes the UTF-8 sequence beginning at text[0] has; 0 when it is none (RFC 3629: no overlong
/// forms, no surrogates, nothing over U+10FFFF).
size_t utf8_sequence(std::string_view text) {
    const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto first = at(0);
    if (first < 0x80)
        return 1;
    const size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                          : (first & 0xf0) == 0xe0         ? 3
                          : first >= 0xf0 && first <= 0xf4 ? 4
                                                           : 0;
    if (length == 0 || text.size() < length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if (!is_continuation(at(i)))
            return 0;
    const auto second = at(1);
    const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
    const bool outside = (first == 0xed && second >= 0xa0) || (first == 0xf4 && second >= 0x90);
    return overlong || outside ? 0 : length;
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const auto length = utf8_sequence(text);
        if (length == 0)
            return false;
        text.remove_prefix(length);
    }
    return true;
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::string from_hex(const std::string& hex, std::string_view what) {
    std::string bytes;
    bytes.reserve(hex.size() / 2);
    for (size_t i = 0; i + 1 < hex.size(); i += 2) {
        const int high = hex_digit(hex[i]);
        const int low = hex_digit(hex[i + 1]);
        if (high < 0 || low < 0)
            refuse_message(std::string(what) + " is not hex");
        bytes += static_cast<char>(high << 4 | low);
    }
    if (hex.size() % 2 != 0)
        refuse_message(std::string(what) + " is not hex");
    return bytes;
}

} // namespace

void refuse_message(const std::string& why) {
    throw Error(ErrorCode::InvalidArgument, "malformed message between host and guest: " + why);
}

Message::Message(std::string_view payload) {
    if (payload.size() > max_payload)
        refuse_message("too large");
    bool too_deep = false;
    const auto limit_depth = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
        too_deep = too_deep || depth > max_depth;
        return !too_deep;
    };
    json_ = nlohmann::json::parse(payload.begin(), payload.end(), limit_depth, /*allow_exceptions=*/false);
    if (too_deep)
        refuse_message("nested too deeply");
    if (!json_.is_object())
        refuse_message("not a JSON object");
}

const nlohmann::json* Message::find(const char* key) const {
    const auto it = json_.find(key);
    return it == json_.end() || it->is_null() ? nullptr : &*it;
}

std::string Message::text(const char* key, size_t limit) const {
    const auto* value = find(key);
    return value ? text_of(*value, limit, key) : std::string();
}

std::string Message::needed_text(const char* key, size_t limit) const {
    auto value = text(key, limit);
    if (value.empty())
        refuse_message(std::string("no ") + key);
    return value;
}

int64_t Message::number(const char* key, int64_t low, int64_t high, int64_t fallback) const {
    const auto* value = find(key);
    if (!value)
        return fallback;
    if (!value->is_number_integer())
        refuse_message(std::string(key) + " is not an integer");
    const bool too_large = value->is_number_unsigned() && value->get<uint64_t>() > uint64_t{INT64_MAX};
    const auto number = too_large ? INT64_MAX : value->get<int64_t>();
    if (too_large || number < low || number > high)
        refuse_message(std::string(key) + " is out of range");
    return number;
}

int64_t Message::needed_number(const char* key, int64_t low, int64_t high) const {
    if (!find(key))
        refuse_message(std::string("no ") + key);
    return number(key, low, high, low);
}

bool Message::flag(const char* key) const {
    const auto* value = find(key);
    if (value && !value->is_boolean())
        refuse_message(std::string(key) + " is not a boolean");
    return value && value->get<bool>();
}

const nlohmann::json& Message::list(const char* key, size_t most) const {
    static const nlohmann::json empty = nlohmann::json::array();
    const auto* value = find(key);
    if (value && (!value->is_array() || value->size() > most))
        refuse_message(std::string(key) + " is not a list of acceptable length");
    return value ? *value : empty;
}

const nlohmann::json& Message::map(const char* key, size_t most) const {
    static const nlohmann::json empty = nlohmann::json::object();
    const auto* value = find(key);
    if (value && (!value->is_object() || value->size() > most))
        refuse_message(std::string(key) + " is not an object of acceptable size");
    return value ? *value : empty;
}

nlohmann::json text_value(std::string_view bytes) {
    if (is_utf8(bytes))
        return std::string(bytes);
    std::string hex;
    for (const char c : bytes) {
        constexpr std::string_view digits = "0123456789abcdef";
        hex += digits[static_cast<unsigned char>(c) >> 4];
        hex += digits[static_cast<unsigned char>(c) & 15];
    }
    return {{"hex", hex}};
}

std::string text_of(const nlohmann::json& value, size_t limit, std::string_view what) {
    std::string bytes;
    const auto hex = value.is_object() ? value.find("hex") : value.end();
    if (value.is_string())
        bytes = value.get_ref<const std::string&>();
    else if (value.is_object() && hex != value.end() && hex->is_string())
        bytes = from_hex(hex->get_ref<const std::string&>(), what);
    else
        refuse_message(std::string(what) + " is not a text");
    if (bytes.size() > limit)
        refuse_message(std::string(what) + " is too long");
    if (bytes.find('\0') != std::string::npos)
        refuse_message(std::string(what) + " holds a NUL byte");
    return bytes;
}

std::string dump(const nlohmann::json& json) {
    auto text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    if (text.size() > max_payload)
        throw Error(ErrorCode::InvalidArgument, "a message to the guest is larger than 64 KiB",
                    "use fewer or shorter arguments and environment variables, or put them into a file");
    return text;
}

} // namespace banger::agent
