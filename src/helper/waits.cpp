#include "helper/waits.hpp"

#include "base/op_id.hpp"
#include "helper/process_id.hpp"

#include <algorithm>

namespace banger::helper {

void Waits::perform(const Grant<Action::Machine>& grant, const AwaitEnd& request, const Done<Nothing>& done) {
    guarded(done, [&] {
        const auto uid = grant.owner().uid;
        const auto* known = ledger_.vm(uid, request.vm);
        auto pidfd = known && known->vmm && known->vmm->state != VmmState::Exited
                         ? open_if_alive(known->vmm->main.value_or(known->vmm->monitor))
                         : OwnedFd();
        if (!pidfd)
            return done(Nothing{});
        const auto count =
            std::count_if(waits_.begin(), waits_.end(), [uid](const Wait& wait) { return wait.uid == uid; });
        if (static_cast<size_t>(count) >= waits_per_owner)
            throw Error(ErrorCode::Busy, "you wait for " + std::to_string(waits_per_owner) + " VMMs already",
                        "watch the processes themselves: Launch and Inspect tell their pids");
        const auto place = waits_.insert(
            waits_.end(), Wait{uid, request.sender, grant.op_id(), done, std::move(pidfd), FdWatch()});
        place->ended = FdWatch(place->pidfd.get(), [this, place] {
            finish(place, Nothing{});
            return false;
        });
    });
}

void Waits::caller_gone(const std::string& sender) {
    for (auto at = waits_.begin(); at != waits_.end();) {
        const auto place = at++;
        if (place->sender == sender)
            finish(place, Error(ErrorCode::Cancelled, "the caller has left the bus"));
    }
}

void Waits::finish(Place place, const Outcome<Nothing>& outcome) {
    const OpScope scope(place->op_id);
    const auto done = place->done;
    place->ended.cancel();
    waits_.erase(place);
    done(outcome);
}

} // namespace banger::helper
