#include "cli/command.hpp"
#include "cli/each.hpp"

#include <memory>

namespace banger::cli {

Action vm_kill(CLI::App& app, Invocation& invocation) {
    auto names = std::make_shared<std::vector<std::string>>();
    app.add_option("NAME", *names, "VMs, by name or id")->required()->type_name("");
    return [&invocation, names] {
        return run_jobs(invocation, *names, {},
                        [](ManagerProxy& proxy, const std::string& name, const bus::Variants& all) {
                            return proxy.KillVm(name, all);
                        });
    };
}

} // namespace banger::cli
