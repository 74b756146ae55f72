#include "base/error.hpp"
#include "cli/command.hpp"
#include "cli/each.hpp"
#include "cli/vms.hpp"

#include <algorithm>
#include <array>
#include <memory>

namespace banger::cli {

namespace {

/// "sigterm", "TERM" or "15" as the daemon has it.
std::string signal_name(const std::string& word) {
    struct Known {
        std::string_view name;
        std::string_view number; ///< signal(7)
    };
    static constexpr std::array<Known, 8> signals{{{"HUP", "1"},
                                                   {"INT", "2"},
                                                   {"QUIT", "3"},
                                                   {"ABRT", "6"},
                                                   {"KILL", "9"},
                                                   {"USR1", "10"},
                                                   {"USR2", "12"},
                                                   {"TERM", "15"}}};
    auto name = word;
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    if (name.starts_with("SIG"))
        name.erase(0, 3);
    for (const auto& known : signals)
        if (name == known.name || name == known.number)
            return std::string(known.name);
    throw Error(ErrorCode::InvalidArgument, "--signal: a VMM takes no signal '" + word + "'",
                "the signals are TERM, KILL, INT, HUP, QUIT, USR1, USR2 and ABRT");
}

} // namespace

Action vm_kill(CLI::App& app, Invocation& invocation) {
    const auto verb = vm_verb("kill", [](const VmInfo& vm) { return vm.active(); });
    auto words = std::make_shared<TargetWords>();
    auto signal = std::make_shared<std::string>();
    words->declare(app, verb);
    app.add_option("-s,--signal", *signal, "Send this to the VMM instead of KILL")->type_name("SIGNAL");
    return [&invocation, verb, words, signal] {
        bus::Variants options;
        if (!signal->empty())
            options["signal"] = sdbus::Variant{signal_name(*signal)};
        return run_jobs(invocation, *words, verb, options,
                        [](ManagerProxy& proxy, const std::string& name, const bus::Variants& all) {
                            return proxy.KillVm(name, all);
                        });
    };
}

} // namespace banger::cli
