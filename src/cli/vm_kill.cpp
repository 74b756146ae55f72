#include "cli/command.hpp"
#include "cli/each.hpp"
#include "cli/vms.hpp"

#include <memory>

namespace banger::cli {

Action vm_kill(CLI::App& app, Invocation& invocation) {
    const auto verb = vm_verb("kill", [](const VmInfo& vm) { return vm.active(); });
    auto words = std::make_shared<TargetWords>();
    words->declare(app, verb);
    return [&invocation, verb, words] {
        return run_jobs(invocation, *words, verb, {},
                        [](ManagerProxy& proxy, const std::string& name, const bus::Variants& all) {
                            return proxy.KillVm(name, all);
                        });
    };
}

} // namespace banger::cli
