#include "cli/command.hpp"
#include "cli/filters.hpp"
#include "cli/properties.hpp"
#include "cli/vms.hpp"

#include <memory>

namespace banger::cli {

namespace {

constexpr auto vm_interface = "org.banger.Vm1";

/// One plain name asks for an object, all else for an array of them.
bool is_single(const std::vector<std::string>& names) {
    return names.size() == 1 && !is_pattern(names.front());
}

std::string shown(const std::vector<VmInfo>& vms, bool single, Format format) {
    const auto now = unix_now();
    std::string text;
    auto array = Json::array();
    for (const auto& vm : vms) {
        text += (text.empty() ? "" : "\n") + vm_description(vm, now);
        array.push_back(vm_json(vm));
    }
    if (format == Format::Table)
        return text;
    return structured(single && !array.empty() ? array.front() : array, format);
}

int show(const Invocation& invocation, const TargetWords& words, const Verb& verb) {
    words.check(verb);
    Manager manager(invocation.op);
    Failures failures(invocation.format);
    const auto known = verb.candidates(manager);
    std::vector<VmInfo> vms;
    for (const auto& name : expand(words, verb, known, failures))
        try {
            const auto path = manager.call([&](ManagerProxy& proxy) { return proxy.GetVm(name); });
            vms.push_back(vm_info(manager.properties(path, vm_interface)));
        } catch (const Error& error) {
            failures.add(explain(error, name, known));
        }
    if (!vms.empty())
        print(shown(vms, is_single(words.names), invocation.format));
    failures.finish();
    return 0;
}

} // namespace

Action vm_show(CLI::App& app, Invocation& invocation) {
    const auto verb = vm_verb("show", [](const VmInfo&) { return true; });
    auto words = std::make_shared<TargetWords>();
    app.add_option("NAME", words->names, "VMs, by name, id or pattern ('web-*')")->type_name("");
    app.add_flag("-a,--all", words->all, "All that there are");
    return [&invocation, verb, words] { return show(invocation, *words, verb); };
}

} // namespace banger::cli
