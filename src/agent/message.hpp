// JSON payloads, read without trust: bounded depth and size, typed members, one sort of error. Internal to
// src/agent.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace banger::agent {

/// An object parsed from a payload, and its members with their types checked. Every failure is
/// Error{InvalidArgument}.
class Message {
public:
    explicit Message(std::string_view payload);
    /// An object within another one.
    explicit Message(nlohmann::json object)
        : json_(std::move(object)) {}

    bool has(const char* key) const { return json_.contains(key); }
    /// A text of at most `limit` bytes, none of them NUL; "" where the key is missing.
    std::string text(const char* key, size_t limit) const;
    /// The same, and it must be there and not empty.
    std::string needed_text(const char* key, size_t limit) const;
    /// An integer within bounds; `fallback` where the key is missing.
    int64_t number(const char* key, int64_t low, int64_t high, int64_t fallback) const;
    int64_t needed_number(const char* key, int64_t low, int64_t high) const;
    bool flag(const char* key) const; ///< false where the key is missing
    /// An array, or an empty one where the key is missing.
    const nlohmann::json& list(const char* key, size_t most) const;
    /// An object, or an empty one where the key is missing.
    const nlohmann::json& map(const char* key, size_t most) const;

private:
    const nlohmann::json* find(const char* key) const;
    nlohmann::json json_;
};

/// Bytes as JSON: a string, or {"hex": "…"} where they are not UTF-8 (file names and arguments are bytes on
/// Linux).
nlohmann::json text_value(std::string_view bytes);
/// The opposite; `what` names it in the error. NUL bytes are refused.
std::string text_of(const nlohmann::json& value, size_t limit, std::string_view what);

/// The payload of a control frame.
std::string dump(const nlohmann::json& json);
[[noreturn]] void refuse_message(const std::string& why);

} // namespace banger::agent
