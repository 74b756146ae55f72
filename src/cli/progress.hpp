// The one line that shows how far a job is.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace banger::cli {

/// One entry of Job1's property Steps.
struct Step {
    std::string name;
    std::string state; ///< running, done, failed
    uint32_t milliseconds = 0;
};

struct JobProgress {
    std::vector<Step> steps;
    std::optional<double> fraction; ///< of the running step, 0 to 1
};

/// "⠹ tap 3 ms · launch 41 ms · boot 45 %  1.2 s", cut to `columns`; the oldest steps go first. `tick` turns
/// the spinner.
std::string progress_line(const JobProgress& progress, std::chrono::milliseconds elapsed, unsigned tick,
                          size_t columns);

/// Shows and clears it on standard error, if that is a terminal; else does nothing.
class ProgressDisplay {
public:
    ProgressDisplay();
    ProgressDisplay(const ProgressDisplay&) = delete;
    ProgressDisplay& operator=(const ProgressDisplay&) = delete;
    ~ProgressDisplay() { clear(); }

    bool enabled() const noexcept { return enabled_; }
    /// Draws the line anew. Nothing is shown in the first moment, so that fast work does not flicker.
    void draw(const JobProgress& progress);
    void clear() noexcept;

private:
    bool enabled_;
    bool shown_ = false;
    unsigned tick_ = 0;
    std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

} // namespace banger::cli
