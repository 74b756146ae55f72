#include "cli/command.hpp"
#include "cli/each.hpp"

#include <memory>

namespace banger::cli {

Action vm_start(CLI::App& app, Invocation& invocation) {
    auto names = std::make_shared<std::vector<std::string>>();
    auto timeout = std::make_shared<std::string>();
    app.add_option("NAME", *names, "VMs, by name or id")->required()->type_name("");
    app.add_option("--ready-timeout", *timeout, "How long a guest may take to be ready (120s)")
        ->type_name("DURATION");
    return [&invocation, names, timeout] {
        bus::Variants options;
        if (!timeout->empty())
            options["ready-timeout-ms"] = milliseconds_option(*timeout, "--ready-timeout");
        return run_jobs(invocation, *names, options,
                        [](ManagerProxy& proxy, const std::string& name, const bus::Variants& all) {
                            return proxy.StartVm(name, all);
                        });
    };
}

} // namespace banger::cli
