#include "cli/command.hpp"
#include "cli/each.hpp"

#include <memory>

namespace banger::cli {

Action vm_delete(CLI::App& app, Invocation& invocation) {
    auto names = std::make_shared<std::vector<std::string>>();
    auto force = std::make_shared<bool>(false);
    app.add_option("NAME", *names, "VMs, by name or id")->required()->type_name("");
    app.add_flag("-f,--force", *force, "Also those that are running: they are killed");
    return [&invocation, names, force] {
        bus::Variants options;
        if (*force)
            options["force"] = sdbus::Variant{true};
        return run_jobs(invocation, *names, options,
                        [](ManagerProxy& proxy, const std::string& name, const bus::Variants& all) {
                            return proxy.DeleteVm(name, all);
                        });
    };
}

} // namespace banger::cli
