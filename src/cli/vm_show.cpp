#include "cli/command.hpp"
#include "cli/manager.hpp"
#include "cli/properties.hpp"
#include "cli/vm_info.hpp"

#include <memory>

namespace banger::cli {

Action vm_show(CLI::App& app, Invocation& invocation) {
    auto name = std::make_shared<std::string>();
    app.add_option("NAME", *name, "The VM's name or id")->required()->type_name("");
    return [&invocation, name] {
        Manager manager(invocation.op);
        const auto path = manager.call([&](ManagerProxy& proxy) { return proxy.GetVm(*name); });
        const auto vm = vm_info(manager.properties(path, "org.banger.Vm1"));
        print(invocation.format == Format::Table ? vm_description(vm, unix_now())
                                                 : structured(vm_json(vm), invocation.format));
        return 0;
    };
}

} // namespace banger::cli
