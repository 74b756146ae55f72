#include "helper/lanes.hpp"

#include <utility>

namespace banger::helper {

struct Lanes::State : std::enable_shared_from_this<Lanes::State> {
    std::map<std::string, std::deque<Task>> lanes; ///< the first of each is the one whose turn it is

    void start(const std::string& key) {
        // The task is taken out, its place stays: it marks the lane as busy.
        const auto task = std::exchange(lanes.at(key).front(), nullptr);
        task(Turn(static_cast<void*>(this), [weak = weak_from_this(), key](void*) {
            if (const auto self = weak.lock())
                self->next(key);
        }));
    }
    void next(const std::string& key) {
        auto& lane = lanes.at(key);
        lane.pop_front();
        if (lane.empty())
            lanes.erase(key);
        else
            start(key);
    }
};

Lanes::Lanes()
    : state_(std::make_shared<State>()) {}

void Lanes::enter(const std::string& key, Task task) {
    auto& lane = state_->lanes[key];
    lane.push_back(std::move(task));
    if (lane.size() == 1)
        state_->start(key);
}

size_t Lanes::busy() const noexcept {
    return state_->lanes.size();
}

} // namespace banger::helper
