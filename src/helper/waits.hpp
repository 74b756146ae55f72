// Waiting for VMMs to end.
#pragma once

#include "helper/done.hpp"
#include "helper/gate.hpp"
#include "helper/requests.hpp"

#include <list>
#include <string>

namespace banger::helper {

/// For the loop's thread.
class Waits {
public:
    explicit Waits(const Ledger& ledger)
        : ledger_(ledger) {}

    /// Answers when the VM's VMM has ended: at once, where none runs. Busy when the owner waits too often
    /// already. Not in the VM's turn: what ends a VMM needs that.
    void perform(const Grant<Action::Machine>& grant, const AwaitEnd& request, const Done<Nothing>& done);
    /// The caller has left the bus: nobody waits for its answers.
    void caller_gone(const std::string& sender);

private:
    struct Wait {
        uint32_t uid;
        std::string sender;
        std::string op_id;
        Done<Nothing> done;
        OwnedFd pidfd;
        FdWatch ended;
    };
    using Place = std::list<Wait>::iterator;
    void finish(Place place, const Outcome<Nothing>& outcome);

    const Ledger& ledger_;
    std::list<Wait> waits_;
};

} // namespace banger::helper
