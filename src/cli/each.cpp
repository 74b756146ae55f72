#include "cli/each.hpp"

#include "cli/job.hpp"
#include "cli/report.hpp"
#include "cli/text.hpp"

#include <optional>

namespace banger::cli {

namespace {

/// Keeps the last failure, telling the one before: all are told once, and one decides the exit status.
class Failures {
public:
    explicit Failures(Format format)
        : format_(format) {}

    template <class Body>
    void collect(Body&& body) {
        try {
            body();
        } catch (const Error& error) {
            if (last_)
                report(*last_, format_);
            last_ = error;
        }
    }

    void finish() const {
        if (last_)
            throw *last_;
    }

private:
    Format format_;
    std::optional<Error> last_;
};

} // namespace

sdbus::Variant milliseconds_option(const std::string& text, std::string_view option) {
    return sdbus::Variant{static_cast<uint32_t>(parse_duration(text, option).count())}; // 30 days fit
}

void for_each_name(const Invocation& invocation, const std::vector<std::string>& names,
                   const std::function<void(const std::string& name)>& body) {
    Failures failures(invocation.format);
    for (const auto& name : names)
        failures.collect([&] { body(name); });
    failures.finish();
}

int run_jobs(const Invocation& invocation, const std::vector<std::string>& names,
             const bus::Variants& options, const StartJob& start) {
    const SignalScope signals;
    Manager manager(invocation.op);
    auto all_options = options;
    all_options.merge(manager.options());
    Failures failures(invocation.format);
    std::vector<std::string> jobs;
    for (const auto& name : names)
        failures.collect([&] {
            jobs.push_back(
                manager.call([&](ManagerProxy& proxy) { return start(proxy, name, all_options); }));
        });
    for (const auto& job : jobs)
        failures.collect([&] { wait_for_job(manager, job, signals); });
    failures.finish();
    return 0;
}

} // namespace banger::cli
