// What the workers of image and kernel jobs do around the builders.
#pragma once

#include "daemon/catalog.hpp"

namespace banger::daemon {

/// Turns a builder's progress into a job's steps: one ends where the next begins.
class StepTeller {
public:
    StepTeller(StepSink sink, std::function<void(double)> part)
        : sink_(std::move(sink))
        , part_(std::move(part)) {}

    /// Runs `body(progress)`; its failure is the failure of the step under way.
    template <class Body>
    auto run(Body&& body) -> decltype(body(Progress())) {
        try {
            auto made = body([this](std::string_view step, double fraction) { tell(step, fraction); });
            end(StepState::Done);
            return made;
        } catch (Error& error) {
            end(StepState::Failed);
            throw error.at_step(step_);
        }
    }

private:
    void tell(std::string_view step, double fraction);
    void end(StepState state);

    StepSink sink_;
    std::function<void(double)> part_;
    std::string step_;
    Clock::time_point begin_{};
};

/// Imports what was asked for; a kernel without a name gets its version as one.
KernelInfo fulfil(const KernelWish& wanted, const std::string& data_dir, const std::stop_token& stop,
                  const Progress& progress);

} // namespace banger::daemon
