#include "cli/vms.hpp"

namespace banger::cli {

namespace {

Candidate candidate(const VmInfo& vm) {
    return {vm.name, vm.id, vm.state};
}

} // namespace

std::vector<VmInfo> all_vms(Manager& manager) {
    const auto properties =
        manager.call([&](ManagerProxy& proxy) { return proxy.ListVms(manager.options()); });
    std::vector<VmInfo> vms;
    vms.reserve(properties.size());
    for (const auto& vm : properties)
        vms.push_back(vm_info(vm));
    return vms;
}

Verb vm_verb(std::string_view infinitive, bool (*meant)(const VmInfo& vm),
             std::function<std::string(const VmInfo& vm)> objection) {
    Verb verb{.infinitive = infinitive, .kind = "VM", .takes_all = true};
    verb.candidates = [meant, objection = std::move(objection)](Manager& manager) {
        std::vector<Candidate> candidates;
        for (const auto& vm : all_vms(manager)) {
            auto one = candidate(vm);
            one.meant_by_all = meant(vm);
            if (objection)
                one.objection = objection(vm);
            candidates.push_back(std::move(one));
        }
        return candidates;
    };
    return verb;
}

Error explain_vm(Manager& manager, const Error& error, const std::string& name) {
    std::vector<Candidate> known;
    if (error.code() != ErrorCode::NotFound)
        return explain(error, name, known);
    for (const auto& vm : all_vms(manager))
        known.push_back(candidate(vm));
    return explain(error, name, known);
}

} // namespace banger::cli
