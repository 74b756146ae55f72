#include "cli/vm_list.hpp"

#include "base/error.hpp"
#include "base/size.hpp"
#include "cli/command.hpp"
#include "cli/properties.hpp"
#include "cli/vms.hpp"

#include <unistd.h>

#include <cstdio>
#include <memory>

namespace banger::cli {

namespace {

const std::vector<std::string> filter_keys{"name",   "id",        "state",     "image",
                                           "kernel", "address",   "vmm",       "exit_reason",
                                           "nat",    "ephemeral", "protected", "autostart"};

int list(const Invocation& invocation, const VmListOptions& options) {
    const Filters checked(options.filters, filter_keys); // before anybody is asked
    Manager manager(invocation.op);
    const auto all = all_vms(manager);
    const auto shown = choose(all, options);
    print(vm_listing(shown, options, invocation.format, unix_now()));
    if (shown.empty() && !all.empty() && !options.quiet && ::isatty(STDERR_FILENO))
        std::fprintf(stderr, "No VM is running; `banger vm list --all` shows the other %zu.\n", all.size());
    return 0;
}

} // namespace

void VmListOptions::declare_all(CLI::App& app) {
    app.add_flag("-a,--all", all, "Also those that are not running");
    app.add_flag("-l,--latest", latest, "Only the one made last, whether it runs or not");
    declare(app);
}

void VmListOptions::check_all(Format format) const {
    if (all && latest)
        throw Error(ErrorCode::InvalidArgument, "--all and --latest contradict each other");
    check(format);
}

std::vector<VmInfo> choose(std::vector<VmInfo> vms, const VmListOptions& options) {
    if (options.latest && !vms.empty())
        return {vms.back()}; // the oldest come first
    if (!options.all && !Filters(options.filters, filter_keys).asks_for("state"))
        std::erase_if(vms, [](const VmInfo& vm) { return !vm.active(); });
    return vms;
}

std::string vm_listing(const std::vector<VmInfo>& vms, const VmListOptions& options, Format format,
                       uint64_t now) {
    Listing listing({"NAME", "STATE", "IMAGE", "ADDRESS", "CPUS", "MEMORY", "UPTIME", "CREATED"},
                    {options.filters, filter_keys});
    for (const auto& vm : vms)
        listing.add(vm_json(vm), {vm.name, vm_state(vm), vm.image, vm.address, std::to_string(vm.vcpus),
                                  vm_memory(vm), vm_uptime(vm, now), age(vm.created_at, now)});
    return listing.text(options, format);
}

Action vm_list(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<VmListOptions>();
    options->declare_all(app);
    return [&invocation, options] {
        options->check_all(invocation.format);
        return list(invocation, *options);
    };
}

} // namespace banger::cli
