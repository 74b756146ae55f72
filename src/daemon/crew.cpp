#include "daemon/crew.hpp"

namespace banger::daemon {

std::shared_ptr<HelperClient> Crew::take_client() {
    if (spare_.empty())
        return std::make_shared<HelperClient>();
    auto client = std::move(spare_.back());
    spare_.pop_back();
    return client;
}

void Crew::give_back(std::shared_ptr<HelperClient> client) {
    if (spare_.size() < most_spare_clients)
        spare_.push_back(std::move(client));
}

void Crew::ended(std::list<Worker>::iterator worker) {
    workers_.erase(worker); // joins a thread that has nothing left to do
    if (!waiting_.empty() && workers_.size() < most_workers) {
        const auto next = std::move(waiting_.front());
        waiting_.pop_front();
        next();
    }
    if (idle() && on_idle_)
        on_idle_();
}

} // namespace banger::daemon
