// The worker threads of the daemon: so many at a time, each with a helper client that is kept for the next
// one.
#pragma once

#include "base/loop.hpp"
#include "base/op_id.hpp"
#include "daemon/helper_client.hpp"

#include <deque>
#include <functional>
#include <list>
#include <memory>

namespace banger::daemon {

/// What a worker hands back when there is nothing to hand back.
struct Nothing {};

/// For the loop's thread.
class Crew {
public:
    explicit Crew(Loop& loop)
        : loop_(loop) {}
    Crew(const Crew&) = delete;

    /// How the work is done.
    struct Task {
        std::string op_id;
        bool interactive = false;
        std::stop_token stop{};
    };

    /// Runs `work(helper, stop)` on a thread, as soon as one is free; then `done(outcome)` in the loop. Both
    /// run as the operation `task.op_id`.
    template <class T>
    void run(Task task, std::function<T(HelperClient&, const std::stop_token&)> work,
             std::function<void(Outcome<T>)> done);

    bool idle() const noexcept { return workers_.empty() && waiting_.empty(); }
    /// Called in the loop whenever the last worker has ended.
    void on_idle(std::function<void()> task) { on_idle_ = std::move(task); }

private:
    static constexpr size_t most_workers = 32;
    static constexpr size_t most_spare_clients = 4;

    std::shared_ptr<HelperClient> take_client();
    void give_back(std::shared_ptr<HelperClient> client);
    void ended(std::list<Worker>::iterator worker);

    Loop& loop_;
    std::list<Worker> workers_;
    std::deque<std::function<void()>> waiting_;
    std::vector<std::shared_ptr<HelperClient>> spare_;
    std::function<void()> on_idle_;
};

template <class T>
void Crew::run(Task task, std::function<T(HelperClient&, const std::stop_token&)> work,
               std::function<void(Outcome<T>)> done) {
    if (workers_.size() >= most_workers) {
        waiting_.push_back([this, task = std::move(task), work = std::move(work), done = std::move(done)] {
            run<T>(task, work, done);
        });
        return;
    }
    const auto client = take_client();
    const auto place = workers_.emplace(workers_.end());
    const auto op_id = task.op_id;
    *place = Worker::start<T>(
        loop_,
        [client, task = std::move(task), work = std::move(work)](const std::stop_token&) {
            const OpScope scope(task.op_id);
            client->begin(task.interactive, task.stop);
            return work(*client, task.stop);
        },
        [this, client, place, op_id, done = std::move(done)](Outcome<T> outcome) {
            give_back(client);
            {
                const OpScope scope(op_id);
                done(std::move(outcome));
            }
            ended(place);
        });
}

} // namespace banger::daemon
