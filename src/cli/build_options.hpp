// What an image is built from.
#pragma once

#include "bus/compat.hpp"

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace banger::cli {

struct BuildOptions {
    std::string name;
    std::string suite;
    std::vector<std::string> include;
    std::string mirror;
    std::string size;

    void declare(CLI::App& app);
    /// The options of BuildImage, without op-id. Throws InvalidArgument.
    bus::Variants request() const;
};

} // namespace banger::cli
