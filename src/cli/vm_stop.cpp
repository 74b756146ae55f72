#include "cli/command.hpp"
#include "cli/each.hpp"

#include <memory>

namespace banger::cli {

Action vm_stop(CLI::App& app, Invocation& invocation) {
    auto names = std::make_shared<std::vector<std::string>>();
    auto timeout = std::make_shared<std::string>();
    app.add_option("NAME", *names, "VMs, by name or id")->required()->type_name("");
    app.add_option("--timeout", *timeout,
                   "How long a guest may take before it is killed (20s); 0 kills at once")
        ->type_name("DURATION");
    return [&invocation, names, timeout] {
        bus::Variants options;
        if (*timeout == "0")
            options["timeout-ms"] = sdbus::Variant{uint32_t{0}};
        else if (!timeout->empty())
            options["timeout-ms"] = milliseconds_option(*timeout, "--timeout");
        return run_jobs(invocation, *names, options,
                        [](ManagerProxy& proxy, const std::string& name, const bus::Variants& all) {
                            return proxy.StopVm(name, all);
                        });
    };
}

} // namespace banger::cli
