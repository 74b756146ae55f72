// Verbs for images and kernels.
#pragma once

#include "bus/compat.hpp"
#include "cli/targets.hpp"

#include <functional>
#include <string_view>
#include <vector>

namespace banger::cli {

/// "delete", which asks before it takes all; `list` is the manager's method.
Verb catalog_delete_verb(std::string_view kind,
                         std::function<std::vector<bus::Variants>(ManagerProxy&, const bus::Variants&)> list);

} // namespace banger::cli
