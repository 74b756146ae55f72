// The undo of a multi-step operation: what was done is taken back, last first, unless all of it succeeded.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace banger {

/// Push each step's opposite right after the step. Leaving the scope without release() runs them in reverse
/// order. An undo that throws is passed to the complaint handler and the others still run.
class UndoStack {
public:
    using Complain = std::function<void(const std::string& step, const std::exception& why)>;

    explicit UndoStack(Complain complain = {})
        : complain_(std::move(complain)) {}
    UndoStack(const UndoStack&) = delete;
    UndoStack& operator=(const UndoStack&) = delete;
    ~UndoStack() { run(); }

    void push(std::string step, std::function<void()> undo);
    /// All went well: nothing is taken back.
    void release() noexcept { steps_.clear(); }
    /// Takes everything back now.
    void run() noexcept;

private:
    struct Step {
        std::string name;
        std::function<void()> undo;
    };
    std::vector<Step> steps_;
    Complain complain_;
};

} // namespace banger
