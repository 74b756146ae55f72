#include "cli/command.hpp"
#include "cli/each.hpp"
#include "cli/vms.hpp"

#include <memory>

namespace banger::cli {

namespace {

std::string objection(const VmInfo& vm, bool force) {
    if (vm.is_protected)
        return "VM " + vm.name + " is protected; `banger vm protect --off " + vm.name + "` ends that";
    return vm.active() && !force ? "VM " + vm.name + " is " + vm.state + "; that takes --force" : "";
}

Verb delete_verb(const std::shared_ptr<bool>& force) {
    auto verb = vm_verb(
        "delete", [](const VmInfo& vm) { return !vm.is_protected; },
        [force](const VmInfo& vm) { return objection(vm, *force); });
    verb.asks_first = true;
    return verb;
}

} // namespace

Action vm_delete(CLI::App& app, Invocation& invocation) {
    auto force = std::make_shared<bool>(false);
    const auto verb = delete_verb(force);
    auto words = std::make_shared<TargetWords>();
    words->declare(app, verb);
    app.add_flag("-f,--force", *force, "Also those that are running: they are killed");
    return [&invocation, verb, words, force] {
        bus::Variants options;
        if (*force)
            options["force"] = sdbus::Variant{true};
        return run_jobs(invocation, *words, verb, options,
                        [](ManagerProxy& proxy, const std::string& name, const bus::Variants& all) {
                            return proxy.DeleteVm(name, all);
                        });
    };
}

} // namespace banger::cli
