#include "cli/command.hpp"
#include "cli/each.hpp"
#include "cli/timeouts.hpp"
#include "cli/vms.hpp"

#include <memory>

namespace banger::cli {

Action vm_stop(CLI::App& app, Invocation& invocation) {
    const auto verb = vm_verb("stop", [](const VmInfo& vm) { return vm.active(); });
    auto words = std::make_shared<TargetWords>();
    auto timeouts = std::make_shared<Timeouts>();
    words->declare(app, verb);
    timeouts->declare_stop(app);
    return [&invocation, verb, words, timeouts] {
        return run_jobs(invocation, *words, verb, timeouts->options(),
                        [](ManagerProxy& proxy, const std::string& name, const bus::Variants& all) {
                            return proxy.StopVm(name, all);
                        });
    };
}

} // namespace banger::cli
