#include "cli/command.hpp"
#include "cli/each.hpp"
#include "cli/timeouts.hpp"
#include "cli/vms.hpp"

#include <memory>

namespace banger::cli {

Action vm_start(CLI::App& app, Invocation& invocation) {
    const auto verb = vm_verb("start", [](const VmInfo& vm) { return !vm.active(); });
    auto words = std::make_shared<TargetWords>();
    auto timeouts = std::make_shared<Timeouts>();
    words->declare(app, verb);
    timeouts->declare_ready(app);
    return [&invocation, verb, words, timeouts] {
        return run_jobs(invocation, *words, verb, timeouts->options(),
                        [](ManagerProxy& proxy, const std::string& name, const bus::Variants& all) {
                            return proxy.StartVm(name, all);
                        });
    };
}

} // namespace banger::cli
