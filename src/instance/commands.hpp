// `banger instance …` on the command line.
#pragma once

#include <CLI/CLI.hpp>

namespace banger::instance {

/// Adds the subcommand `instance` with start, stop, status, env and exec. Their callbacks throw banger::Error
/// on failure, and CLI::RuntimeError(STATUS), which App::exit() turns into that exit status without printing
/// anything, where the status itself is the answer (`status`, `exec`).
void add_instance_commands(CLI::App& app);

} // namespace banger::instance
