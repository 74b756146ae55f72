#include "base/size.hpp"
#include "cli/command.hpp"
#include "cli/confirm.hpp"
#include "cli/job.hpp"
#include "cli/properties.hpp"

#include <memory>
#include <optional>

namespace banger::cli {

namespace {

struct PruneWords {
    bool yes = false;
    bool dry_run = false;
};

struct Pruned {
    std::vector<std::string> names;
    uint64_t bytes = 0;
};

Pruned prune(Manager& manager, bool dry_run, const SignalScope& signals) {
    auto options = manager.options();
    options["dry-run"] = sdbus::Variant{dry_run};
    const std::string job = manager.call([&](ManagerProxy& proxy) { return proxy.PruneVms(options); });
    const auto result = wait_for_job(manager, job, signals);
    return {property<std::vector<std::string>>(result, "vms"), property<uint64_t>(result, "freed-bytes")};
}

std::string told(const Pruned& pruned, bool dry_run, Format format) {
    if (format != Format::Table)
        return structured({{"names", pruned.names}, {"freed_bytes", pruned.bytes}}, format);
    std::string text;
    for (const auto& name : pruned.names)
        text += (dry_run ? "Would delete " : "Deleted ") + name + "\n";
    return text + (dry_run ? "Would free " : "Freed ") + human_size(pruned.bytes) + "\n";
}

int run_prune(const Invocation& invocation, const PruneWords& words) {
    Manager manager(invocation.op);
    if (!words.yes && !words.dry_run) {
        const auto planned = [&] {
            const SignalScope signals;
            return prune(manager, true, signals);
        }();
        std::string names;
        for (const auto& name : planned.names)
            names += (names.empty() ? ": " : ", ") + name;
        if (!planned.names.empty()) // else there is nothing to ask about
            confirm("This will delete " + std::to_string(planned.names.size()) + " stopped or failed VM" +
                    (planned.names.size() == 1 ? "" : "s") + names + ".");
    }
    const SignalScope signals;
    print(told(prune(manager, words.dry_run, signals), words.dry_run, invocation.format));
    return 0;
}

} // namespace

Action vm_prune(CLI::App& app, Invocation& invocation) {
    auto words = std::make_shared<PruneWords>();
    app.add_flag("-y,--yes", words->yes, "Do not ask");
    app.add_flag("--dry-run", words->dry_run, "Only say what would be done");
    return [&invocation, words] { return run_prune(invocation, *words); };
}

} // namespace banger::cli
