#include "cli/command.hpp"
#include "cli/each.hpp"
#include "cli/vms.hpp"

#include <memory>

namespace banger::cli {

sdbus::Variant stop_timeout_option(const std::string& text) {
    return text == "0" ? sdbus::Variant{uint32_t{0}} : milliseconds_option(text, "--timeout");
}

Action vm_stop(CLI::App& app, Invocation& invocation) {
    const auto verb = vm_verb("stop", [](const VmInfo& vm) { return vm.active(); });
    auto words = std::make_shared<TargetWords>();
    auto timeout = std::make_shared<std::string>();
    words->declare(app, verb);
    app.add_option("--timeout", *timeout,
                   "How long a guest may take before it is killed (20s); 0 kills at once")
        ->type_name("DURATION");
    return [&invocation, verb, words, timeout] {
        bus::Variants options;
        if (!timeout->empty())
            options["timeout-ms"] = stop_timeout_option(*timeout);
        return run_jobs(invocation, *words, verb, options,
                        [](ManagerProxy& proxy, const std::string& name, const bus::Variants& all) {
                            return proxy.StopVm(name, all);
                        });
    };
}

} // namespace banger::cli
