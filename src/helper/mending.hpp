// What a helper that was killed left half-made is mended beside the loop, in the turn of the VM that it
// concerns: calls for that VM wait, others are served.
#pragma once

#include "helper/lanes.hpp"
#include "helper/record.hpp"
#include "helper/workers.hpp"

#include <functional>
#include <set>
#include <string>
#include <utility>

namespace banger::helper {

/// For the loop's thread.
class Mending {
public:
    Mending(Lanes& lanes, Workers& workers)
        : lanes_(lanes)
        , workers_(workers) {}

    /// `work` on a thread, in the VM's turn; then `then` in the loop. What either throws is logged, and is
    /// the end of it: one that cannot be mended does not keep the helper from the others.
    void enter(uint32_t uid, const VmId& vm, const std::function<void()>& work,
               const std::function<void()>& then);
    /// Calls `task` when nothing of this owner's is being mended: at once, if nothing is.
    void after(uint32_t uid, const std::function<void()>& task);

private:
    Lanes& lanes_;
    Workers& workers_;
    std::multiset<std::pair<uint32_t, std::string>> under_way_; ///< owner and VM
};

} // namespace banger::helper
