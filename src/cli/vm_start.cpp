#include "cli/command.hpp"
#include "cli/each.hpp"
#include "cli/vms.hpp"

#include <memory>

namespace banger::cli {

Action vm_start(CLI::App& app, Invocation& invocation) {
    const auto verb = vm_verb("start", [](const VmInfo& vm) { return !vm.active(); });
    auto words = std::make_shared<TargetWords>();
    auto timeout = std::make_shared<std::string>();
    words->declare(app, verb);
    app.add_option("--ready-timeout", *timeout, "How long a guest may take to be ready (120s)")
        ->type_name("DURATION");
    return [&invocation, verb, words, timeout] {
        bus::Variants options;
        if (!timeout->empty())
            options["ready-timeout-ms"] = milliseconds_option(*timeout, "--ready-timeout");
        return run_jobs(invocation, *words, verb, options,
                        [](ManagerProxy& proxy, const std::string& name, const bus::Variants& all) {
                            return proxy.StartVm(name, all);
                        });
    };
}

} // namespace banger::cli
