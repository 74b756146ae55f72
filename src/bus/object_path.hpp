// Object paths below /org/banger/Manager1 and the names in them.
#pragma once

#include <string>
#include <string_view>

namespace banger::bus {

inline constexpr const char* manager_service = "org.banger.Manager1";
inline constexpr const char* manager_path = "/org/banger/Manager1";
inline constexpr const char* helper_service = "org.banger.Helper1";
inline constexpr const char* helper_path = "/org/banger/Helper1";

/// `base`/`kind`/`name`, with every byte of `name` that is not [A-Za-z0-9] as _ and two lowercase hex digits,
/// as sd_bus_path_encode(3) does it.
std::string object_path(std::string_view kind, std::string_view name);
/// The name in an object path of this kind; empty when it is not one.
std::string name_in_path(std::string_view kind, const std::string& path);

} // namespace banger::bus
