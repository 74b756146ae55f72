#include "base/names.hpp"
#include "cli/command.hpp"
#include "cli/vms.hpp"

#include <memory>

namespace banger::cli {

namespace {

int rename(const Invocation& invocation, const std::string& name, const std::string& new_name) {
    const auto label = DnsLabel::parse(new_name, "VM name").str();
    Manager manager(invocation.op);
    try {
        manager.call([&](ManagerProxy& proxy) { proxy.RenameVm(name, label, manager.options()); });
    } catch (const Error& error) {
        throw explain_vm(manager, error, name);
    }
    if (invocation.format != Format::Table)
        print(structured({{"name", label}}, invocation.format));
    return 0;
}

} // namespace

Action vm_rename(CLI::App& app, Invocation& invocation) {
    auto name = std::make_shared<std::string>();
    auto new_name = std::make_shared<std::string>();
    app.add_option("NAME", *name, "A VM at rest, by name or id")->required()->type_name("");
    app.add_option("NEW", *new_name, "Its new name")->required()->type_name("");
    return [&invocation, name, new_name] { return rename(invocation, *name, *new_name); };
}

} // namespace banger::cli
