// What a command is: a row in a table, a function that declares its arguments, and the action that these lead
// to.
#pragma once

#include "base/op_id.hpp"
#include "cli/output.hpp"

#include <CLI/CLI.hpp>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace banger::cli {

/// One call of the program.
struct Invocation {
    OpId op = OpId::make(); ///< goes along with everything that is done for it
    Format format = Format::Table;
    /// What stands after "--", if that was there.
    std::optional<std::vector<std::string>> command{};
};

/// Carries the command out and returns the exit status; throws Error or Interrupted.
using Action = std::function<int()>;

struct Command {
    std::string_view noun; ///< "vm"; empty for a verb of its own, such as ps
    std::string_view verb;
    std::string_view summary;
    /// Declares options and arguments on `app`. The action may refer to the invocation, and is called after
    /// parsing.
    Action (*declare)(CLI::App& app, Invocation& invocation);
    bool takes_command = false; ///< words after "--" are for the guest; failures of banger itself are 125
};

/// One of each, in the file named like the function.
Action vm_run(CLI::App& app, Invocation& invocation);
Action vm_create(CLI::App& app, Invocation& invocation);
Action vm_start(CLI::App& app, Invocation& invocation);
Action vm_stop(CLI::App& app, Invocation& invocation);
Action vm_restart(CLI::App& app, Invocation& invocation);
Action vm_pause(CLI::App& app, Invocation& invocation);
Action vm_resume(CLI::App& app, Invocation& invocation);
Action vm_kill(CLI::App& app, Invocation& invocation);
Action vm_delete(CLI::App& app, Invocation& invocation);
Action vm_prune(CLI::App& app, Invocation& invocation);
Action vm_stats(CLI::App& app, Invocation& invocation);
Action vm_logs(CLI::App& app, Invocation& invocation);
Action vm_list(CLI::App& app, Invocation& invocation);
Action vm_show(CLI::App& app, Invocation& invocation);
Action vm_set(CLI::App& app, Invocation& invocation);
Action vm_rename(CLI::App& app, Invocation& invocation);
Action vm_protect(CLI::App& app, Invocation& invocation);
Action vm_wait(CLI::App& app, Invocation& invocation);
Action vm_exec(CLI::App& app, Invocation& invocation);
Action vm_cp(CLI::App& app, Invocation& invocation);
Action vm_ports(CLI::App& app, Invocation& invocation);
Action kernel_import(CLI::App& app, Invocation& invocation);
Action kernel_list(CLI::App& app, Invocation& invocation);
Action kernel_delete(CLI::App& app, Invocation& invocation);
Action image_build(CLI::App& app, Invocation& invocation);
Action image_list(CLI::App& app, Invocation& invocation);
Action image_delete(CLI::App& app, Invocation& invocation);
Action system_install(CLI::App& app, Invocation& invocation);
Action system_status(CLI::App& app, Invocation& invocation);
Action system_restart(CLI::App& app, Invocation& invocation);
Action system_uninstall(CLI::App& app, Invocation& invocation);
Action doctor(CLI::App& app, Invocation& invocation);
Action completion(CLI::App& app, Invocation& invocation);
Action version(CLI::App& app, Invocation& invocation);

/// All commands, in the order of the help.
const std::vector<Command>& commands();

} // namespace banger::cli
