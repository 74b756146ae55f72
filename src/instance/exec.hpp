// Running a command inside an instance, and what a shell outside needs to use one.
#pragma once

#include "instance/status.hpp"

#include <string>
#include <vector>

namespace banger::instance {

struct ExecOptions {
    std::string name = "default";
    std::string user = "owner";
    std::vector<std::string> command;
};

/// Runs the command in all of the instance's namespaces, with our standard descriptors, terminal and working
/// folder (where it can be seen inside), and passes signals on. The exit status as a shell tells it; 127 and
/// 126 when the command is not there or cannot be run.
int exec(const ExecOptions& options);

/// Lines for `eval`: the buses' addresses, PATH, BANGER_INSTANCE.
std::string shell_environment(const Status& status);

/// The environment of an exec'd command: the caller's, less what belongs to the caller's session, plus the
/// user's own.
std::vector<std::string> merged_environment(const std::vector<std::string>& callers,
                                            std::vector<std::string> users);

} // namespace banger::instance
