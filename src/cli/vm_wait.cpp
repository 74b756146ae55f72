#include "cli/bus_wait.hpp"
#include "cli/command.hpp"
#include "cli/properties.hpp"
#include "cli/timeouts.hpp"
#include "cli/vms.hpp"

#include <memory>

namespace banger::cli {

namespace {

struct WaitWords {
    std::string name;
    std::vector<std::string> until;
    std::string timeout;

    bus::Variants options() const {
        bus::Variants options;
        if (!until.empty())
            options["until"] = sdbus::Variant{until};
        if (!timeout.empty())
            options["timeout-ms"] = milliseconds_option(timeout, "--timeout");
        return options;
    }
};

int wait(const Invocation& invocation, const WaitWords& words) {
    auto options = words.options();
    const SignalScope signals;
    Manager manager(invocation.op);
    options.merge(manager.options());
    bus::Variants status;
    try {
        status = call_late(manager, signals, "WaitVm", words.name, options);
    } catch (const Error& error) {
        throw explain_vm(manager, error, words.name);
    }
    const auto state = property<std::string>(status, "state");
    const Json object{{"name", words.name},
                      {"state", state},
                      {"exit_reason", property<std::string>(status, "exit-reason")},
                      {"exit_detail", property<std::string>(status, "exit-detail")}};
    print(invocation.format == Format::Table ? state + "\n" : structured(object, invocation.format));
    return 0;
}

} // namespace

Action vm_wait(CLI::App& app, Invocation& invocation) {
    auto words = std::make_shared<WaitWords>();
    app.add_option("NAME", words->name, "The VM's name or id")->required()->type_name("");
    app.add_option("--until", words->until, "The states to wait for (created,stopped,failed)")
        ->type_name("STATE,…")
        ->delimiter(',')
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    app.add_option("--timeout", words->timeout, "How long to wait; then the status is 10 (no limit)")
        ->type_name("DURATION");
    return [&invocation, words] { return wait(invocation, *words); };
}

} // namespace banger::cli
