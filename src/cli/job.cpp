#include "cli/job.hpp"

#include "bus/object_path.hpp"
#include "cli/progress.hpp"

#include <optional>
#include <variant>

namespace banger::cli {

namespace {

constexpr auto job_interface = "org.banger.Job1";
constexpr auto properties_interface = "org.freedesktop.DBus.Properties";
constexpr int frame_ms = 80; ///< between two drawings

using StepTuples = std::vector<sdbus::Struct<std::string, std::string, uint32_t>>;

template <class T>
std::optional<T> value(const bus::Variants& values, const char* key) {
    const auto found = values.find(key);
    if (found == values.end() || !found->second.containsValueOfType<T>())
        return std::nullopt;
    return found->second.get<T>();
}

class JobWait {
public:
    JobWait(Manager& manager, const std::string& path, const SignalScope& signals)
        : manager_(manager)
        , signals_(signals)
        , proxy_(sdbus::createProxy(manager.connection(), bus::ServiceName(bus::manager_service),
                                    bus::ObjectPath(path))) {}

    bus::Variants run() {
        ask();
        if (display_.enabled())
            watch();
        while (!outcome_)
            turn();
        display_.clear();
        if (const auto* error = std::get_if<Error>(&*outcome_)) {
            if (signal_ != 0 && error->code() == ErrorCode::Cancelled)
                throw Interrupted{signal_};
            throw *error;
        }
        if (signal_ != 0)
            throw Interrupted{signal_}; // it had ended before the cancellation came
        return std::get<bus::Variants>(std::move(*outcome_));
    }

private:
    /// The job's end ends the wait, however long that takes. UINT64_MAX is "no time limit" in
    /// sd_bus_call_async(3).
    void ask() {
        proxy_->callMethodAsync("Wait")
            .onInterface(job_interface)
            .withTimeout(UINT64_MAX)
            .withArguments(manager_.options())
            .uponReplyInvoke([this](bus::ReplyError error, const bus::Variants& result) {
                if (error)
                    outcome_ = bus::from_bus(*error);
                else
                    outcome_ = result;
            });
    }

    void watch() {
        proxy_->uponSignal("PropertiesChanged")
            .onInterface(properties_interface)
            .call([this](const std::string&, const bus::Variants& changed, const std::vector<std::string>&) {
                take(changed);
            });
#if !BANGER_SDBUS_2
        proxy_->finishRegistration();
#endif
        // What changed before the signals were asked for.
        proxy_->callMethodAsync("GetAll")
            .onInterface(properties_interface)
            .withArguments(std::string(job_interface))
            .uponReplyInvoke([this](bus::ReplyError error, const bus::Variants& all) {
                if (!error)
                    take(all);
            });
    }

    void take(const bus::Variants& values) {
        if (const auto steps = value<StepTuples>(values, "Steps")) {
            progress_.steps.clear();
            for (const auto& step : *steps)
                progress_.steps.push_back({step.get<0>(), step.get<1>(), step.get<2>()});
        }
        valid_ = value<bool>(values, "ProgressValid").value_or(valid_);
        fraction_ = value<double>(values, "Progress").value_or(fraction_);
        progress_.fraction = valid_ ? std::optional(fraction_) : std::nullopt;
    }

    void turn() {
        while (!outcome_ && bus::process_one(manager_.connection())) {
        }
        if (outcome_)
            return;
        if (display_.enabled())
            display_.draw(progress_);
        if (const int signal =
                wait_for_bus(manager_.connection(), signals_, display_.enabled() ? frame_ms : -1))
            interrupt(signal);
    }

    void interrupt(int signal) {
        if (signal_ != 0)
            throw Interrupted{signal};
        signal_ = signal;
        proxy_->callMethodAsync("Cancel")
            .onInterface(job_interface)
            .withArguments(manager_.options())
            .uponReplyInvoke(
                [](bus::ReplyError) {}); // refused: then the job goes on to its end, which is waited for
    }

    Manager& manager_;
    const SignalScope& signals_;
    std::unique_ptr<sdbus::IProxy> proxy_;
    ProgressDisplay display_;
    JobProgress progress_;
    bool valid_ = false;
    double fraction_ = 0;
    int signal_ = 0;
    std::optional<std::variant<bus::Variants, Error>> outcome_;
};

} // namespace

bus::Variants wait_for_job(Manager& manager, const std::string& path, const SignalScope& signals) {
    return manager.call([&](ManagerProxy&) { return JobWait(manager, path, signals).run(); });
}

std::string result_text(const bus::Variants& result, const std::string& key) {
    const auto found = result.find(key);
    if (found == result.end() || !found->second.containsValueOfType<std::string>())
        throw Error(ErrorCode::Internal, "the daemon's answer lacks '" + key + "'",
                    "is the daemon of another version? `banger version` tells");
    return found->second.get<std::string>();
}

} // namespace banger::cli
