#include "cli/vm_list.hpp"

#include "base/error.hpp"
#include "cli/command.hpp"
#include "cli/manager.hpp"
#include "cli/properties.hpp"
#include "cli/store_list.hpp"

#include <unistd.h>

#include <cstdio>
#include <memory>

namespace banger::cli {

namespace {

int list(const Invocation& invocation, const VmListOptions& options) {
    Manager manager(invocation.op);
    const auto properties =
        manager.call([&](ManagerProxy& proxy) { return proxy.ListVms(manager.options()); });
    std::vector<VmInfo> all;
    all.reserve(properties.size());
    for (const auto& vm : properties)
        all.push_back(vm_info(vm));
    const auto shown = choose(all, options);
    print(vm_listing(shown, options, invocation.format, unix_now()));
    if (shown.empty() && !all.empty() && !options.quiet && ::isatty(STDERR_FILENO))
        std::fprintf(stderr, "No VM is running; `banger vm list --all` shows the other %zu.\n", all.size());
    return 0;
}

} // namespace

std::vector<VmInfo> choose(std::vector<VmInfo> vms, const VmListOptions& options) {
    if (options.latest && !vms.empty())
        return {vms.back()}; // the oldest come first
    if (!options.all)
        std::erase_if(vms, [](const VmInfo& vm) { return !vm.active(); });
    return vms;
}

std::string vm_listing(const std::vector<VmInfo>& vms, const VmListOptions& options, Format format,
                       uint64_t now) {
    if (options.quiet) {
        std::string names;
        for (const auto& vm : vms)
            names += vm.name + "\n";
        return names;
    }
    if (format == Format::Table)
        return vm_table(vms, now);
    auto array = Json::array();
    for (const auto& vm : vms)
        array.push_back(vm_json(vm));
    return structured(array, format);
}

Action vm_list(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<VmListOptions>();
    app.add_flag("-a,--all", options->all, "Also those that are not running");
    app.add_flag("-l,--latest", options->latest, "Only the one made last, whether it runs or not");
    app.add_flag("-q,--quiet", options->quiet, "Only names");
    return [&invocation, options] {
        if (options->all && options->latest)
            throw Error(ErrorCode::InvalidArgument, "--all and --latest contradict each other");
        refuse_quiet_format(options->quiet, invocation.format);
        return list(invocation, *options);
    };
}

} // namespace banger::cli
