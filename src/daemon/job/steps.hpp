// The steps of a long operation: named, timed, reported, and named again in the error when one fails.
#pragma once

#include "base/error.hpp"
#include "daemon/wait.hpp"

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace banger::daemon {

enum class StepState { Running, Done, Failed };
std::string_view step_state_name(StepState state) noexcept;

/// One step as a client sees it.
struct Step {
    std::string name;
    StepState state = StepState::Running;
    uint32_t milliseconds = 0; ///< taken, when it is not running any more
};

/// Where a worker's steps go; called on the worker's thread, must be quick and may not throw.
using StepSink = std::function<void(const Step& step)>;

/// What has been reported so far, in the order of the beginnings.
class StepList {
public:
    void report(const Step& step);
    const std::vector<Step>& all() const noexcept { return steps_; }

private:
    std::vector<Step> steps_;
};

/// Runs the steps of one operation, on the worker's thread.
class Steps {
public:
    Steps(StepSink sink, std::stop_token stop)
        : sink_(std::move(sink))
        , stop_(std::move(stop)) {}

    /// Runs `body` as the step `name`. A failure leaves as an Error that names the step; Cancelled when a
    /// stop was asked for before it began.
    template <class Body>
    auto run(std::string_view name, Body&& body) -> decltype(body()) {
        Running running(*this, name);
        try {
            throw_if_cancelled(stop_);
            return body();
        } catch (Error& error) {
            running.failed();
            throw error.at_step(name);
        } catch (const std::exception& error) {
            running.failed();
            throw Error(ErrorCode::Internal, error.what()).at_step(name);
        }
    }
    const std::stop_token& stop() const noexcept { return stop_; }

private:
    class Running {
    public:
        Running(Steps& steps, std::string_view name);
        Running(const Running&) = delete;
        ~Running();
        void failed() noexcept { failed_ = true; }

    private:
        Steps& steps_;
        std::string name_;
        Clock::time_point begin_ = Clock::now();
        bool failed_ = false;
    };
    StepSink sink_;
    std::stop_token stop_;
};

} // namespace banger::daemon
