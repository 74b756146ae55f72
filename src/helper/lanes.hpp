// Turns: what concerns one VM or one bridge is done one after the other; what concerns different ones, side
// by side.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace banger::helper {

/// A turn; the next in line begins when the last copy is dropped.
using Turn = std::shared_ptr<void>;

/// For the loop's thread.
class Lanes {
public:
    using Task = std::function<void(Turn)>;

    Lanes();
    /// Calls `task` when all earlier ones of the same key have dropped their turn: at once, if there is none.
    /// `task` must not throw.
    void enter(const std::string& key, Task task);
    /// Keys that have a turn given out.
    size_t busy() const noexcept;

private:
    struct State;
    std::shared_ptr<State> state_;
};

} // namespace banger::helper
