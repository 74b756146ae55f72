#include "daemon/job/steps.hpp"

#include "base/log.hpp"

#include <algorithm>

namespace banger::daemon {

std::string_view step_state_name(StepState state) noexcept {
    switch (state) {
    case StepState::Running:
        return "running";
    case StepState::Done:
        return "done";
    case StepState::Failed:
        break;
    }
    return "failed";
}

void StepList::report(const Step& step) {
    const auto same = std::find_if(steps_.rbegin(), steps_.rend(), [&](const Step& known) {
        return known.name == step.name && known.state == StepState::Running;
    });
    if (same == steps_.rend())
        steps_.push_back(step);
    else
        *same = step;
}

Steps::Running::Running(Steps& steps, std::string_view name)
    : steps_(steps)
    , name_(name) {
    if (steps_.sink_)
        steps_.sink_({name_, StepState::Running, 0});
}

Steps::Running::~Running() {
    const auto taken = Clock::now() - begin_;
    const auto ms = std::chrono::round<std::chrono::milliseconds>(taken).count();
    if (steps_.sink_)
        steps_.sink_({name_, failed_ ? StepState::Failed : StepState::Done, static_cast<uint32_t>(ms)});
    if (log::level() >= log::Level::Debug)
        log::debug("step " + name_ + (failed_ ? " failed after " : " took ") +
                   std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(taken).count()) +
                   " µs");
}

} // namespace banger::daemon
