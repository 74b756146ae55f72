// All jobs: made, kept for a minute after their end, and then forgotten.
#pragma once

#include "base/loop.hpp"
#include "daemon/job/job.hpp"

#include <list>
#include <map>
#include <memory>
#include <string>

namespace banger::daemon {

/// For the loop's thread.
class Jobs {
public:
    Jobs(Loop& loop, sdbus::IConnection& connection)
        : loop_(loop)
        , connection_(connection) {}
    Jobs(const Jobs&) = delete;

    /// Forgets an ended job where there are too many; throws Busy where all of them run. make() does it, too.
    void make_room();
    /// What a caller's request becomes: an operation name, the caller's operation id and flags. Throws Busy.
    std::shared_ptr<Job> make(JobSpec spec);
    /// Where a worker of this job sends its steps; safe to call from any thread, and after the job's end.
    StepSink step_sink(const std::shared_ptr<Job>& job);
    /// The same for a fraction of the running step.
    std::function<void(double)> progress_sink(const std::shared_ptr<Job>& job);

    /// Asks every running job to stop.
    void request_stop();

private:
    void ended(Job& job);
    void forget(std::string id);

    struct Kept {
        std::shared_ptr<Job> job;
        Timer expiry; ///< runs since its end
    };
    Loop& loop_;
    sdbus::IConnection& connection_;
    std::map<std::string, Kept> jobs_;
    std::list<std::string> finished_; ///< oldest first
};

} // namespace banger::daemon
