// Callers that wait for a VM to come into a state.
#pragma once

#include "base/error.hpp"
#include "base/loop.hpp"
#include "daemon/vm/vm.hpp"

#include <chrono>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace banger::daemon {

/// What a caller of Wait asks for.
struct WaitRequest {
    std::vector<VmState> until{VmState::Created, VmState::Stopped, VmState::Failed};
    std::optional<std::chrono::milliseconds> timeout;

    bool meets(VmState state) const noexcept;
};

/// Those of one VM. For the loop's thread.
class StateWaiters {
public:
    /// Called once, in the loop: how the VM is, or Timeout, NotFound (the VM is gone).
    using Answer = std::function<void(const std::variant<VmStatus, Error>& answer)>;

    StateWaiters() = default;
    StateWaiters(const StateWaiters&) = delete;

    /// `sender` is who waits. Throws Busy when too many wait already.
    void add(WaitRequest request, std::string sender, Answer answer);
    /// Answers those who have waited for this.
    void tell(const VmStatus& status);
    /// The VM is gone: nobody waits any more.
    void fail(const Error& error);
    /// A client left the bus: it waits no more.
    void client_gone(const std::string& name);

private:
    struct Waiter {
        WaitRequest request;
        std::string sender;
        Answer answer;
        Timer timer;
    };
    std::list<Waiter> waiters_;
};

} // namespace banger::daemon
