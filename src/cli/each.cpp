#include "cli/each.hpp"

#include "cli/job.hpp"

#include <map>
#include <optional>

namespace banger::cli {

int run_jobs(const Invocation& invocation, const TargetWords& words, const Verb& verb,
             const bus::Variants& options, const StartJob& start) {
    std::optional<SignalScope> signals; // not before all questions are answered
    std::map<std::string, std::string> jobs;
    Deed deed;
    deed.act = [&](Manager& manager, const std::string& name) {
        if (!signals)
            signals.emplace();
        auto all_options = options;
        all_options.merge(manager.options());
        jobs[name] = manager.call([&](ManagerProxy& proxy) { return start(proxy, name, all_options); });
    };
    deed.finish = [&](Manager& manager, const std::string& name) {
        wait_for_job(manager, jobs.at(name), *signals);
    };
    return do_to_each(invocation.op, invocation.format, words, verb, deed);
}

int call_each(const Invocation& invocation, const TargetWords& words, const Verb& verb,
              const bus::Variants& options, const CallOne& call) {
    Deed deed;
    deed.act = [&](Manager& manager, const std::string& name) {
        auto all_options = options;
        all_options.merge(manager.options());
        manager.call([&](ManagerProxy& proxy) { call(proxy, name, all_options); });
    };
    return do_to_each(invocation.op, invocation.format, words, verb, deed);
}

} // namespace banger::cli
