// The accounts that are to be owners.
#pragma once

#include "install/metadata.hpp"
#include "install/tree.hpp"

#include <string>
#include <vector>

namespace banger::install {

/// Each by its name, from the system's user database (getpwnam(3)) or another tree's /etc/passwd. Throws
/// NotFound, and what check() throws.
std::vector<Owner> find_owners(const Tree& tree, const std::vector<std::string>& names);

/// The home of an account; empty when it has gone.
std::string home_of(const Tree& tree, const std::string& name);

} // namespace banger::install
