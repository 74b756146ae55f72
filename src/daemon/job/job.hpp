// One long operation as clients see it: org.banger.Job1.
#pragma once

#include "base/loop.hpp"
#include "bus/errors.hpp"
#include "daemon/job/steps.hpp"
#include "glue/org_banger_Job1_adaptor.hpp"

#include <functional>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

namespace banger::daemon {

enum class JobState { Running, Succeeded, Failed, Cancelled };
std::string_view job_state_name(JobState state) noexcept;

/// What a job is when it begins.
struct JobSpec {
    std::string id;
    std::string operation; ///< "vm-start"
    std::string op_id;
    bool cancelable = true;
    bool interactive = false; ///< polkit may ask the caller
};

/// For the loop's thread; only the stop token goes to workers. Lives as long as somebody works on it or may
/// ask for it.
class Job final : public sdbus::AdaptorInterfaces<org::banger::Job1_adaptor, sdbus::Properties_adaptor,
                                                  sdbus::ManagedObject_adaptor> {
public:
    /// `ended` is called once, after the job has ended and everybody who waited has been told.
    Job(sdbus::IConnection& connection, JobSpec spec, std::function<void(Job&)> ended);
    Job(const Job&) = delete;
    ~Job();

    const JobSpec& spec() const noexcept { return spec_; }
    sdbus::ObjectPath path() const;
    std::stop_token stop_token() const noexcept { return stop_.get_token(); }
    bool running() const noexcept { return state_ == JobState::Running; }

    /// Asks the work to stop, whoever wants it (a stop of the VM, the daemon's end).
    void request_stop() { stop_.request_stop(); }
    void report(const Step& step);
    /// `fraction` of the running step, 0 to 1.
    void progress(double fraction);
    void succeed(bus::Variants result);
    /// With Cancelled it ends as cancelled, with anything else as failed; that is logged here, once.
    void fail(banger::Error error);

private:
    void Wait(sdbus::Result<bus::Variants>&& result, bus::Variants options) override;
    void Cancel(const bus::Variants& options) override;
    std::string Operation() override { return spec_.operation; }
    std::string OpId() override { return spec_.op_id; }
    std::string State() override { return std::string(job_state_name(state_)); }
    std::vector<sdbus::Struct<std::string, std::string, uint32_t>> Steps() override;
    double Progress() override { return progress_; }
    bool ProgressValid() override { return progress_valid_; }
    bool Cancelable() override { return spec_.cancelable; }
    bus::Variants Result() override { return result_; }
    sdbus::Struct<std::string, std::string> Error() override { return {error_name_, error_text_}; }

    void changed(std::initializer_list<const char*> properties);
    void emit_changes();
    void end(JobState state);

    JobSpec spec_;
    std::function<void(Job&)> ended_;
    std::stop_source stop_;
    JobState state_ = JobState::Running;
    StepList steps_;
    double progress_ = 0;
    bool progress_valid_ = false;
    bus::Variants result_;
    std::string error_name_;
    std::string error_text_;
    std::vector<sdbus::Result<bus::Variants>> waiters_;
    Clock::time_point begin_ = Clock::now();
    // Changes are told at most ten times a second, and at the end.
    std::set<std::string> dirty_;
    Clock::time_point told_{};
    Timer tell_;
};

} // namespace banger::daemon
