// Comparing with files that people can read.
#pragma once

#include "base/error.hpp"
#include "base/file.hpp"

#include <cstdlib>
#include <string>

namespace banger::cli {

/// The golden file `name`. With BANGER_UPDATE_GOLDEN set in the environment, `actual` is written to it first.
inline std::string golden(const std::string& name, const std::string& actual) {
    const auto path = std::string(BANGER_GOLDEN_DIR "/") + name;
    if (std::getenv("BANGER_UPDATE_GOLDEN"))
        write_file_atomically(path, actual, 0644);
    return read_file(path);
}

} // namespace banger::cli
