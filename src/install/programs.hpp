// The programs that an install is about: found, and checked for being root's alone.
#pragma once

#include "install/tree.hpp"

#include <string>
#include <vector>

namespace banger::install {

struct Programs {
    std::string bindir;             ///< holds banger
    std::vector<std::string> files; ///< banger, its companions and its modules: absolute paths
};

/// Those of the running program; in another tree, those that `cmake --install` put there. Throws Unavailable
/// when one is missing.
Programs find_programs(const Tree& tree);

/// What is wrong with running `path` as root: it must be a regular file of root's that nobody else can write,
/// and so must each folder on the way be; and it must not lie where the units hide things (ProtectHome=,
/// PrivateTmp=). Empty when all is well.
std::string distrust(const Tree& tree, const std::string& path);

/// The same for the file alone.
std::string distrust_file(const Tree& tree, const std::string& path);

/// Throws FailedPrecondition for the first that is not to be trusted.
void require_trusted(const Tree& tree, const std::vector<std::string>& paths);

} // namespace banger::install
