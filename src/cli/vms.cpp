#include "cli/vms.hpp"

namespace banger::cli {

std::vector<VmInfo> all_vms(Manager& manager) {
    const auto properties =
        manager.call([&](ManagerProxy& proxy) { return proxy.ListVms(manager.options()); });
    std::vector<VmInfo> vms;
    vms.reserve(properties.size());
    for (const auto& vm : properties)
        vms.push_back(vm_info(vm));
    return vms;
}

} // namespace banger::cli
