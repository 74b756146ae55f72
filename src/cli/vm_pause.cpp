#include "cli/command.hpp"
#include "cli/each.hpp"
#include "cli/vms.hpp"

#include <memory>

namespace banger::cli {

Action vm_pause(CLI::App& app, Invocation& invocation) {
    const auto verb = vm_verb("pause", [](const VmInfo& vm) { return vm.state == "running"; });
    auto words = std::make_shared<TargetWords>();
    words->declare(app, verb);
    return [&invocation, verb, words] {
        return run_jobs(invocation, *words, verb, {},
                        [](ManagerProxy& proxy, const std::string& name, const bus::Variants& all) {
                            return proxy.PauseVm(name, all);
                        });
    };
}

} // namespace banger::cli
