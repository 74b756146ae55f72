#include "base/error.hpp"
#include "cli/command.hpp"
#include "cli/each.hpp"
#include "cli/vm_spec.hpp"
#include "cli/vms.hpp"

#include <memory>

namespace banger::cli {

Action vm_set(CLI::App& app, Invocation& invocation) {
    const auto verb = vm_verb("change", [](const VmInfo&) { return true; });
    auto words = std::make_shared<TargetWords>();
    auto shape = std::make_shared<VmShape>();
    words->declare(app, verb);
    shape->declare(app);
    app.footer("CPUs, memory and disk change at rest only, and the disk only grows.");
    return [&invocation, verb, words, shape] {
        bus::Variants changes;
        shape->add_to(changes);
        if (changes.empty())
            throw Error(ErrorCode::InvalidArgument, "nothing to change was given",
                        "for example: banger vm set NAME --memory 2G");
        return run_jobs(invocation, *words, verb, changes,
                        [](ManagerProxy& proxy, const std::string& name, const bus::Variants& all) {
                            return proxy.SetVm(name, all);
                        });
    };
}

} // namespace banger::cli
