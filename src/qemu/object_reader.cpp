#include "base/error.hpp"
#include "qemu/body.hpp"

#include <algorithm>

namespace banger::qemu {

namespace {

constexpr int deepest = 128; // serde_json's own limit

std::string list_names(std::initializer_list<std::string_view> names) {
    std::string text;
    for (const auto name : names)
        text += (text.empty() ? "`" : ", `") + std::string(name) + "`";
    return text;
}

/// "string \"x\"", "integer `3`", "null", "map": as serde calls what it met.
std::string describe(const Json& value) {
    switch (value.type()) {
    case Json::value_t::null:
        return "null";
    case Json::value_t::boolean:
        return value.get<bool>() ? "boolean `true`" : "boolean `false`";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
        return "integer `" + value.dump() + "`";
    case Json::value_t::number_float:
        return "floating point `" + value.dump() + "`";
    case Json::value_t::string:
        return "string \"" + value.get<std::string>().substr(0, 64) + "\"";
    case Json::value_t::array:
        return "sequence";
    default:
        return "map";
    }
}

[[noreturn]] void refuse_type(const Json& value, std::string_view expected) {
    refuse_body("invalid type: " + describe(value) + ", expected " + std::string(expected));
}

} // namespace

void refuse_body(const std::string& why) {
    throw Error(ErrorCode::InvalidArgument,
                "An error occurred when deserializing the json body of a request: " + why + ".");
}

Json parse_json(std::string_view text) {
    const auto bounded = [](int depth, Json::parse_event_t, Json&) {
        if (depth > deepest)
            refuse_body("recursion limit exceeded");
        return true;
    };
    try {
        return Json::parse(text, bounded);
    } catch (const Json::exception&) {
        refuse_body("the body is not valid JSON");
    }
}

ObjectReader::ObjectReader(const Json& value, std::initializer_list<std::string_view> known)
    : object_(value) {
    if (!value.is_object())
        refuse_type(value, "a map");
    for (const auto& [key, field] : value.items())
        if (std::find(known.begin(), known.end(), key) == known.end())
            refuse_body("unknown field `" + key.substr(0, 64) + "`, expected " +
                        (known.size() > 1 ? "one of " : "") + list_names(known));
}

bool ObjectReader::has(const char* key) const {
    const auto found = object_.find(key);
    return found != object_.end() && !found->is_null();
}

const Json& ObjectReader::field(const char* key) const {
    const auto found = object_.find(key);
    if (found == object_.end())
        refuse_body("missing field `" + std::string(key) + "`");
    return *found;
}

std::string ObjectReader::text(const char* key) const {
    const auto& value = field(key);
    if (!value.is_string())
        refuse_type(value, "a string");
    auto content = value.get<std::string>();
    if (content.find('\0') != content.npos)
        refuse_body("`" + std::string(key) + "` holds a NUL byte");
    return content;
}

bool ObjectReader::flag(const char* key) const {
    const auto& value = field(key);
    if (!value.is_boolean())
        refuse_type(value, "a boolean");
    return value.get<bool>();
}

uint64_t ObjectReader::number(const char* key, uint64_t max, std::string_view type) const {
    const auto& value = field(key);
    if (!value.is_number_integer())
        refuse_type(value, type);
    if (!value.is_number_unsigned() || value.get<uint64_t>() > max)
        refuse_body("invalid value: " + describe(value) + ", expected " + std::string(type));
    return value.get<uint64_t>();
}

std::string ObjectReader::one_of(const char* key, std::initializer_list<std::string_view> choices) const {
    auto value = text(key);
    if (std::find(choices.begin(), choices.end(), value) == choices.end())
        refuse_body("unknown variant `" + value.substr(0, 64) + "`, expected one of " + list_names(choices));
    return value;
}

std::optional<std::string> ObjectReader::maybe_text(const char* key) const {
    return has(key) ? std::optional(text(key)) : std::nullopt;
}

std::optional<bool> ObjectReader::maybe_flag(const char* key) const {
    return has(key) ? std::optional(flag(key)) : std::nullopt;
}

std::optional<uint64_t> ObjectReader::maybe_number(const char* key, uint64_t max,
                                                   std::string_view type) const {
    return has(key) ? std::optional(number(key, max, type)) : std::nullopt;
}

std::optional<std::string> ObjectReader::maybe_one_of(const char* key,
                                                      std::initializer_list<std::string_view> choices) const {
    return has(key) ? std::optional(one_of(key, choices)) : std::nullopt;
}

} // namespace banger::qemu
