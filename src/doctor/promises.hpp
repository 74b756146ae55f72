// What a unit file promises, compared with what systemd says is in force.
#pragma once

#include "bus/compat.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace banger::doctor {

/// The assignments of a unit file's [Service] section, in their order.
std::vector<std::pair<std::string, std::string>> service_settings(std::string_view unit);

/// "CAP_CHOWN CAP_KILL" → the bits of capabilities(7). Throws InvalidArgument for a name that banger does not
/// promise.
uint64_t capability_mask(std::string_view names);

struct Comparison {
    std::vector<std::string> kept;   ///< directives that are in force as promised
    std::vector<std::string> broken; ///< "NoNewPrivileges= is no, not yes"
};

/// Compares the directives of `unit` that restrict it with the properties of
/// org.freedesktop.systemd1.Service. Directives that have no property, or are no restriction, are left out.
Comparison compare_promises(std::string_view unit, const bus::Variants& properties);

} // namespace banger::doctor
