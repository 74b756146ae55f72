#include "cli/command.hpp"
#include "cli/exec_options.hpp"
#include "cli/session.hpp"

#include <memory>

namespace banger::cli {

Action vm_exec(CLI::App& app, Invocation& invocation) {
    auto name = std::make_shared<std::string>();
    auto options = std::make_shared<ExecOptions>();
    app.add_option("NAME", *name, "The VM's name or id")->required()->type_name("");
    options->declare(app);
    app.footer("A command stands after --; without one, a shell: banger vm exec NAME -- uname -a");
    return [&invocation, name, options] {
        const auto terminals = Terminals::of_process();
        const auto request =
            options->request(invocation.command, terminals, "banger vm exec " + *name + " -- COMMAND …");
        Manager manager(invocation.op);
        const auto session = open_session_early(manager, *name);
        return exec_in_guest(session.get(), request, terminals, invocation.op.str());
    };
}

} // namespace banger::cli
