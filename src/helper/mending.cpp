#include "helper/mending.hpp"

#include "base/log.hpp"
#include "helper/done.hpp"
#include "helper/network.hpp"

namespace banger::helper {

void Mending::enter(uint32_t uid, const VmId& vm, const std::function<void()>& work,
                    const std::function<void()>& then) {
    const auto key = std::pair(uid, vm.str());
    under_way_.insert(key);
    lanes_.enter(vm_lane(uid, vm), [=, this](const Turn& turn) {
        workers_.run<Nothing>(
            uid,
            [work] {
                work();
                return Nothing{};
            },
            [=, this](const Outcome<Nothing>& outcome) {
                const auto held = turn; // until this is noted
                const Done<Nothing> failed = [&](const Outcome<Nothing>& why) {
                    log::error("while mending: " + std::get<Error>(why).message(),
                               {{"VM_ID", key.second}, {"OWNER_UID", std::to_string(uid)}});
                };
                guarded(failed, [&] {
                    if (const auto* error = std::get_if<Error>(&outcome))
                        throw Error(*error);
                    then();
                });
                under_way_.extract(key);
            });
    });
}

void Mending::after(uint32_t uid, const std::function<void()>& task) {
    const auto first = under_way_.lower_bound({uid, ""});
    if (first == under_way_.end() || first->first != uid)
        return task();
    lanes_.enter(vm_lane(uid, VmId::parse(first->second)), [=, this](const Turn&) { after(uid, task); });
}

} // namespace banger::helper
