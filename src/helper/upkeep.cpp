#include "helper/upkeep.hpp"

#include "base/error.hpp"
#include "helper/vm_unit.hpp"

#include <nlohmann/json.hpp>

namespace banger::helper {

namespace {

bool runs(const VmRecord& record) {
    return open_vmm(record).get() >= 0;
}

} // namespace

std::string list_vms(const Ledger& ledger) {
    auto list = nlohmann::json::array();
    for (const auto& record : ledger.vms())
        list.push_back({{"uid", record.uid}, {"vm", record.vm.str()}, {"running", runs(record)}});
    return list.dump() + "\n";
}

void condemn(Ledger& ledger) {
    for (auto record : ledger.vms()) {
        if (record.tap)
            record.tap->step = Step::Removing;
        if (record.nat)
            record.nat->step = Step::Removing;
        if (record.snapshot)
            record.snapshot->step = Step::Removing;
        if (record.jail)
            record.jail = Step::Removing;
        if (record.vmm)
            record.vmm->state =
                VmmState::Launching; // a start that was cut off is killed, whatever became of it
        ledger.put(record);
    }
    for (auto bridge : ledger.bridges()) {
        bridge.step = Step::Removing;
        bridge.resolver.reset(); // it goes with the link
        ledger.put(bridge);
    }
}

void require_empty(const Ledger& ledger) {
    const auto left = ledger.vms().size() + ledger.bridges().size();
    if (left > 0)
        throw Error(ErrorCode::Internal, std::to_string(left) + " entries of the ledger could not be removed",
                    "`journalctl -t banger-helper` tells which, and why");
}

} // namespace banger::helper
