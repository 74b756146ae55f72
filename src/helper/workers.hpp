// Slow kernel work beside the loop: a few threads at most, and of these a few for each owner; the rest waits
// in line.
#pragma once

#include "base/loop.hpp"
#include "base/op_id.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>

namespace banger::helper {

/// For the loop's thread.
class Workers {
public:
    explicit Workers(Loop& loop)
        : loop_(loop) {}

    /// `work` on a thread, for the owner `uid`, under the operation id of this moment; then `done` in the
    /// loop. Dropping the Workers waits for what runs, and forgets what waits.
    template <class T>
    void run(uint32_t uid, std::function<T()> work, std::function<void(Outcome<T>)> done) {
        waiting_.push_back(
            {uid, [this, uid, work = std::move(work), done = std::move(done), op = current_op_id()] {
                 const auto place = running_.emplace(running_.end());
                 place->uid = uid;
                 const auto kept = std::make_shared<std::function<T()>>(work);
                 place->work = kept;
                 place->worker = Worker::start<T>(
                     loop_,
                     [body = kept.get(), op](const std::stop_token&) {
                         const OpScope scope(op);
                         return (*body)();
                     },
                     [this, place, done, op](Outcome<T> outcome) {
                         running_.erase(place);
                         next();
                         const OpScope scope(op);
                         done(std::move(outcome));
                     });
             }});
        next();
    }
    size_t busy() const noexcept { return running_.size() + waiting_.size(); }

private:
    static constexpr size_t most = 16;
    static constexpr size_t most_per_owner = 3; ///< five owners who stall theirs leave one to the others

    struct Waiting {
        uint32_t uid;
        std::function<void()> start;
    };
    struct Running {
        uint32_t uid = 0;
        /// What it holds (turns, answers) is the loop's, and goes in the loop: after the thread has ended.
        std::shared_ptr<void> work;
        Worker worker;
    };

    bool may_start(uint32_t uid) const {
        return running_.size() < most &&
               static_cast<size_t>(std::count_if(
                   running_.begin(), running_.end(), [uid](const Running& one) { return one.uid == uid; })) <
                   most_per_owner;
    }
    /// The first of those who may, as often as there is one.
    void next() {
        for (auto first = waiting_.begin(); first != waiting_.end();) {
            if (!may_start(first->uid)) {
                ++first;
                continue;
            }
            const auto start = std::move(first->start);
            waiting_.erase(first);
            start();
            first = waiting_.begin();
        }
    }

    Loop& loop_;
    std::list<Running> running_;
    std::list<Waiting> waiting_;
};

} // namespace banger::helper
