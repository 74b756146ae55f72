#include "daemon/job/jobs.hpp"

#include "base/op_id.hpp"
#include "daemon/memory.hpp"

namespace banger::daemon {

namespace {

constexpr size_t most_jobs = 256;
constexpr std::chrono::milliseconds kept_for{60'000};

} // namespace

std::shared_ptr<Job> Jobs::make(JobSpec spec) {
    make_room();
    spec.id = "j" + random_hex(8); // a leading digit would be escaped in the path
    const auto id = spec.id;
    auto job = std::make_shared<Job>(connection_, std::move(spec), [this](Job& one) { ended(one); });
    jobs_.emplace(id, Kept{job, {}});
    return job;
}

void Jobs::make_room() {
    if (jobs_.size() < most_jobs)
        return;
    if (finished_.empty())
        throw Error(ErrorCode::Busy, std::to_string(most_jobs) + " jobs are under way",
                    "wait until some have ended");
    forget(finished_.front());
}

StepSink Jobs::step_sink(const std::shared_ptr<Job>& job) {
    return [&loop = loop_, weak = std::weak_ptr(job)](const Step& step) {
        loop.post([weak, step] {
            if (const auto known = weak.lock())
                known->report(step);
        });
    };
}

std::function<void(double)> Jobs::progress_sink(const std::shared_ptr<Job>& job) {
    return [&loop = loop_, weak = std::weak_ptr(job)](double fraction) {
        loop.post([weak, fraction] {
            if (const auto known = weak.lock())
                known->progress(fraction);
        });
    };
}

void Jobs::ended(Job& job) {
    const auto id = job.spec().id;
    const auto found = jobs_.find(id);
    if (found == jobs_.end())
        return;
    finished_.push_back(id);
    found->second.expiry = Timer(kept_for, [this, id] {
        // Not at once: this runs in the timer that goes with it.
        loop_.post([this, id] { forget(id); });
        return false;
    });
}

void Jobs::forget(std::string id) { // by value: it may be an element of what it is removed from
    finished_.remove(id);
    jobs_.erase(id);
    if (finished_.empty())
        give_back_memory();
}

void Jobs::request_stop() {
    for (const auto& [id, kept] : jobs_)
        if (kept.job->running())
            kept.job->request_stop();
}

} // namespace banger::daemon
