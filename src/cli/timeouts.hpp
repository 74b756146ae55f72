// How long starting and stopping may take: the options that several verbs share.
#pragma once

#include "bus/compat.hpp"

#include <CLI/CLI.hpp>

#include <string>

namespace banger::cli {

struct Timeouts {
    std::string stop;
    std::string ready;

    void declare_stop(CLI::App& app);
    void declare_ready(CLI::App& app);
    /// As the daemon takes them; those that were given. Throws InvalidArgument.
    bus::Variants options() const;
};

/// "30s" as a value of a `…-ms` option; `option` goes into the error.
sdbus::Variant milliseconds_option(const std::string& text, std::string_view option);

} // namespace banger::cli
