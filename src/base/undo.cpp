#include "base/undo.hpp"

#include <exception>

namespace banger {

void UndoStack::push(std::string step, std::function<void()> undo) {
    steps_.push_back({std::move(step), std::move(undo)});
}

void UndoStack::run() noexcept {
    while (!steps_.empty()) {
        const auto step = std::move(steps_.back());
        steps_.pop_back();
        try {
            step.undo();
        } catch (const std::exception& why) {
            if (complain_)
                complain_(step.name, why);
        }
    }
}

} // namespace banger
