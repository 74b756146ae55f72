#include "cli/vm_made.hpp"

namespace banger::cli {

MadeVm make_vm(Manager& manager, bus::Variants request, const SignalScope& signals) {
    request.merge(manager.options());
    const std::string job = manager.call([&](ManagerProxy& proxy) { return proxy.CreateVm(request); });
    const auto result = wait_for_job(manager, job, signals);
    return {result_text(result, "id"), result_text(result, "name")};
}

std::string made_text(const MadeVm& vm, Format format) {
    if (format == Format::Table)
        return vm.name + "\n";
    return structured({{"id", vm.id}, {"name", vm.name}}, format);
}

} // namespace banger::cli
