#include "daemon/job/job.hpp"

#include "base/log.hpp"
#include "base/op_id.hpp"
#include "bus/object_path.hpp"
#include "bus/options.hpp"
#include "daemon/announce.hpp"

#include <algorithm>
#include <cmath>

namespace banger::daemon {

namespace {

constexpr std::chrono::milliseconds between_changes{100};
constexpr size_t most_waiters = 64;

} // namespace

std::string_view job_state_name(JobState state) noexcept {
    switch (state) {
    case JobState::Running:
        return "running";
    case JobState::Succeeded:
        return "succeeded";
    case JobState::Cancelled:
        return "cancelled";
    case JobState::Failed:
        break;
    }
    return "failed";
}

Job::Job(sdbus::IConnection& connection, JobSpec spec, std::function<void(Job&)> ended)
    : AdaptorInterfaces(connection, bus::ObjectPath(bus::object_path("job", spec.id)))
    , spec_(std::move(spec))
    , ended_(std::move(ended)) {
    registerAdaptor();
    announce([&] { emitInterfacesAddedSignal({Job1_adaptor::INTERFACE_NAME}); });
    log::debug(spec_.operation + " begins", {{"JOB_ID", spec_.id}});
}

Job::~Job() {
    announce([&] { emitInterfacesRemovedSignal({Job1_adaptor::INTERFACE_NAME}); });
    unregisterAdaptor();
}

sdbus::ObjectPath Job::path() const {
    return sdbus::ObjectPath(getObjectPath());
}

void Job::report(const Step& step) {
    if (!running())
        return;
    steps_.report(step);
    progress_valid_ = false;
    changed({"Steps", "Progress", "ProgressValid"});
}

void Job::progress(double fraction) {
    if (!running() || !std::isfinite(fraction))
        return;
    progress_ = std::clamp(fraction, 0.0, 1.0);
    progress_valid_ = true;
    changed({"Progress", "ProgressValid"});
}

void Job::succeed(bus::Variants result) {
    if (!running())
        return;
    result_ = std::move(result);
    for (const auto& waiter : waiters_)
        announce([&] { waiter.returnResults(result_); });
    end(JobState::Succeeded);
}

void Job::fail(banger::Error error) {
    if (!running())
        return;
    error.in_operation(spec_.op_id);
    error_name_ = std::string(dbus_error_prefix) + std::string(error_kind(error.code()).name);
    error_text_ = error.to_wire();
    for (const auto& waiter : waiters_)
        bus::fail(waiter, error);
    const bool cancelled = error.code() == ErrorCode::Cancelled;
    const auto step = error.step().empty() ? "" : " at step " + error.step();
    log::write(cancelled ? log::Level::Info : log::Level::Warning,
               spec_.operation + (cancelled ? " was cancelled" : " failed") + step + ": " + error.message(),
               {{"JOB_ID", spec_.id}});
    end(cancelled ? JobState::Cancelled : JobState::Failed);
}

void Job::end(JobState state) {
    waiters_.clear();
    state_ = state;
    progress_valid_ = false;
    dirty_.insert({"State", "ProgressValid", "Result", "Error"});
    emit_changes();
    announce([&] { emitCompleted(state == JobState::Succeeded, error_name_); });
    if (state == JobState::Succeeded)
        log::info(
            spec_.operation + " took " +
                std::to_string(std::chrono::round<std::chrono::milliseconds>(Clock::now() - begin_).count()) +
                " ms",
            {{"JOB_ID", spec_.id}});
    ended_(*this);
}

void Job::Wait(sdbus::Result<bus::Variants>&& result, bus::Variants values) {
    try {
        bus::Options options(std::move(values));
        const OpScope scope(options.op_id());
        options.finish();
        if (state_ == JobState::Succeeded)
            result.returnResults(result_);
        else if (!running())
            bus::fail(result, banger::Error::from_wire(error_code_named(error_name_), error_text_));
        else if (waiters_.size() >= most_waiters)
            bus::fail(result, banger::Error(ErrorCode::Busy, "too many clients wait for this job"));
        else
            waiters_.push_back(std::move(result));
    } catch (...) {
        bus::fail(result, bus::current_error());
    }
}

void Job::Cancel(const bus::Variants& values) {
    bus::answer([&] {
        bus::Options options(values);
        const OpScope scope(options.op_id());
        options.finish();
        if (!spec_.cancelable && running())
            throw banger::Error(ErrorCode::Unsupported, spec_.operation + " cannot be cancelled");
        stop_.request_stop();
    });
}

std::vector<sdbus::Struct<std::string, std::string, uint32_t>> Job::Steps() {
    std::vector<sdbus::Struct<std::string, std::string, uint32_t>> steps;
    for (const auto& step : steps_.all())
        steps.emplace_back(step.name, std::string(step_state_name(step.state)), step.milliseconds);
    return steps;
}

void Job::changed(std::initializer_list<const char*> properties) {
    dirty_.insert(properties.begin(), properties.end());
    if (tell_.active())
        return;
    const auto due = told_ + between_changes - Clock::now();
    if (due <= Clock::duration::zero())
        emit_changes();
    else
        tell_ = Timer(std::chrono::ceil<std::chrono::milliseconds>(due), [this] {
            emit_changes();
            return false;
        });
}

void Job::emit_changes() {
    const std::vector<std::string> names(dirty_.begin(), dirty_.end());
    dirty_.clear();
    tell_.cancel();
    told_ = Clock::now();
    announce([&] {
#if BANGER_SDBUS_2
        emitPropertiesChangedSignal(bus::InterfaceName(Job1_adaptor::INTERFACE_NAME),
                                    std::vector<bus::PropertyName>(names.begin(), names.end()));
#else
        emitPropertiesChangedSignal(Job1_adaptor::INTERFACE_NAME, names);
#endif
    });
}

} // namespace banger::daemon
