// Where a kernel comes from.
#pragma once

#include "bus/compat.hpp"

#include <string>

namespace banger::cli {

struct ImportOptions {
    std::string file;
    std::string deb; ///< a file when it has a slash or ends in .deb, else the name of a package
    std::string name;

    /// The options of ImportKernel, without op-id; opens the file. Throws InvalidArgument.
    bus::Variants request() const;
};

} // namespace banger::cli
