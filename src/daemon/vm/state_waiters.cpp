#include "daemon/vm/state_waiters.hpp"

#include <algorithm>

namespace banger::daemon {

namespace {

constexpr size_t most_waiters = 64;

} // namespace

bool WaitRequest::meets(VmState state) const noexcept {
    return std::find(until.begin(), until.end(), state) != until.end();
}

void StateWaiters::add(WaitRequest request, std::string sender, Answer answer) {
    if (waiters_.size() >= most_waiters)
        throw Error(ErrorCode::Busy, std::to_string(most_waiters) + " callers wait for this VM already",
                    "watch its property State instead");
    const auto place =
        waiters_.insert(waiters_.end(), {std::move(request), std::move(sender), std::move(answer), {}});
    if (!place->request.timeout)
        return;
    place->timer = Timer(*place->request.timeout, [this, place] {
        const auto late = std::move(place->answer);
        waiters_.erase(place); // with the timer that is running: it is told to end all the same
        late(Error(ErrorCode::Timeout, "the VM did not come into that state in time"));
        return false;
    });
}

void StateWaiters::tell(const VmStatus& status) {
    for (auto at = waiters_.begin(); at != waiters_.end();) {
        if (!at->request.meets(status.state)) {
            ++at;
            continue;
        }
        const auto answer = std::move(at->answer);
        at = waiters_.erase(at);
        answer(status);
    }
}

void StateWaiters::fail(const Error& error) {
    for (const auto& waiter : std::exchange(waiters_, {}))
        waiter.answer(error);
}

void StateWaiters::client_gone(const std::string& name) {
    waiters_.remove_if([&](const Waiter& waiter) { return waiter.sender == name; });
}

} // namespace banger::daemon
