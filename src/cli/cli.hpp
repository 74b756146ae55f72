// The command line.
#pragma once

namespace CLI {
class App;
}

namespace banger::cli {

/// Runs what the arguments say and returns the exit status (banger(1), EXIT STATUS). Does not throw.
int run(int argc, char** argv) noexcept;

/// Runs a group of commands that another folder brings along: `declare` adds it to the program's App, and
/// argv[1] is its name. Their callbacks may throw Error, and CLI::RuntimeError with the exit status.
int run_group(int argc, char** argv, void (*declare)(CLI::App&)) noexcept;

} // namespace banger::cli
