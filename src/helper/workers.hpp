// Slow kernel work beside the loop: a few threads at most, the rest waits in line.
#pragma once

#include "base/loop.hpp"
#include "base/op_id.hpp"

#include <deque>
#include <functional>
#include <list>

namespace banger::helper {

/// For the loop's thread.
class Workers {
public:
    explicit Workers(Loop& loop)
        : loop_(loop) {}

    /// `work` on a thread, under the operation id of this moment; then `done` in the loop. Dropping the
    /// Workers waits for what runs, and forgets what waits.
    template <class T>
    void run(std::function<T()> work, std::function<void(Outcome<T>)> done) {
        waiting_.push_back([this, work = std::move(work), done = std::move(done), op = current_op_id()] {
            const auto place = running_.emplace(running_.end());
            *place = Worker::start<T>(
                loop_,
                [work, op](const std::stop_token&) {
                    const OpScope scope(op);
                    return work();
                },
                [this, place, done, op](Outcome<T> outcome) {
                    running_.erase(place);
                    next();
                    const OpScope scope(op);
                    done(std::move(outcome));
                });
        });
        next();
    }
    size_t busy() const noexcept { return running_.size() + waiting_.size(); }

private:
    static constexpr size_t most = 4;

    void next() {
        while (running_.size() < most && !waiting_.empty()) {
            const auto start = std::move(waiting_.front());
            waiting_.pop_front();
            start();
        }
    }

    Loop& loop_;
    std::list<Worker> running_;
    std::deque<std::function<void()>> waiting_;
};

} // namespace banger::helper
