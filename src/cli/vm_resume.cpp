#include "cli/command.hpp"
#include "cli/each.hpp"
#include "cli/vms.hpp"

#include <memory>

namespace banger::cli {

Action vm_resume(CLI::App& app, Invocation& invocation) {
    const auto verb = vm_verb("resume", [](const VmInfo& vm) { return vm.state == "paused"; });
    auto words = std::make_shared<TargetWords>();
    words->declare(app, verb);
    return [&invocation, verb, words] {
        return run_jobs(invocation, *words, verb, {},
                        [](ManagerProxy& proxy, const std::string& name, const bus::Variants& all) {
                            return proxy.ResumeVm(name, all);
                        });
    };
}

} // namespace banger::cli
