// Reading numbers and structures out of foreign bytes, never past their end.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>

namespace banger {

/// Copies a plain structure from `offset`; false when it does not lie wholly within `bytes`.
template <class T>
bool copy_out(std::string_view bytes, uint64_t offset, T& target) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (offset > bytes.size() || sizeof(T) > bytes.size() - offset)
        return false;
    std::memcpy(&target, bytes.data() + offset, sizeof(T));
    return true;
}

/// An unsigned little-endian number, or nothing when it does not lie within `bytes`.
template <class T>
std::optional<T> little_endian(std::string_view bytes, uint64_t offset) {
    static_assert(std::is_unsigned_v<T>);
    unsigned char raw[sizeof(T)];
    if (!copy_out(bytes, offset, raw))
        return std::nullopt;
    T value = 0;
    for (size_t i = 0; i < sizeof(T); ++i)
        value = static_cast<T>(value | static_cast<T>(raw[i]) << (8 * i));
    return value;
}

/// `length` bytes from `offset`, or nothing when they do not lie within `bytes`.
inline std::optional<std::string_view> slice(std::string_view bytes, uint64_t offset, uint64_t length) {
    if (offset > bytes.size() || length > bytes.size() - offset)
        return std::nullopt;
    return bytes.substr(offset, length);
}

} // namespace banger
