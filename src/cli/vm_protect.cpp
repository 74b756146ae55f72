#include "cli/command.hpp"
#include "cli/each.hpp"
#include "cli/vms.hpp"

#include <memory>

namespace banger::cli {

Action vm_protect(CLI::App& app, Invocation& invocation) {
    const auto verb = vm_verb("protect", [](const VmInfo&) { return true; });
    auto words = std::make_shared<TargetWords>();
    auto off = std::make_shared<bool>(false);
    words->declare(app, verb);
    app.add_flag("--off", *off, "Let them be deleted again");
    return [&invocation, verb, words, off] {
        auto said = verb;
        if (*off)
            said.infinitive = "unprotect";
        return run_jobs(invocation, *words, said, {{"protected", sdbus::Variant{!*off}}},
                        [](ManagerProxy& proxy, const std::string& name, const bus::Variants& all) {
                            return proxy.SetVm(name, all);
                        });
    };
}

} // namespace banger::cli
