#include "base/error.hpp"
#include "base/size.hpp"
#include "cli/text.hpp"
#include "cli/vm_spec.hpp"

namespace banger::cli {

namespace {

constexpr uint64_t mib = uint64_t{1} << 20;

/// Says which option a size was for.
uint64_t size_option(const char* option, const std::string& text, uint64_t bare_unit) {
    try {
        return parse_size(text, bare_unit);
    } catch (const Error& error) {
        throw Error(error.code(), std::string(option) + ": " + error.message(), error.hint());
    }
}

uint32_t memory_mib(const std::string& text) {
    const auto bytes = size_option("--memory", text, mib);
    if (bytes % mib != 0 || bytes / mib > UINT32_MAX)
        throw Error(ErrorCode::InvalidArgument, "--memory: '" + text + "' is not a whole number of MiB",
                    "write 512, 512M or 2G");
    return static_cast<uint32_t>(bytes / mib);
}

/// Whole seconds; begun ones count.
uint32_t auto_stop_seconds(const std::string& text) {
    if (text == "never" || text == "0")
        return 0;
    const auto duration = parse_duration(text, "--auto-stop-after");
    return static_cast<uint32_t>(std::chrono::ceil<std::chrono::seconds>(duration).count()); // 30 days fit
}

/// --NAME and --no-NAME.
void add_switch(CLI::App& app, const std::string& name, std::optional<bool>& value, const std::string& on,
                const std::string& off) {
    auto* with = app.add_flag_callback("--" + name, [&value] { value = true; }, on);
    app.add_flag_callback("--no-" + name, [&value] { value = false; }, off)->excludes(with);
}

} // namespace

void VmShape::declare(CLI::App& app) {
    app.add_option("--vcpu,--vcpus", vcpus, "Virtual CPUs (2)")->type_name("NUMBER");
    app.add_option("--memory", memory, "Memory: 512 (MiB) or 2G (512M)")->type_name("SIZE");
    app.add_option("--disk,--disk-size", disk, "Size of its writable disk: 8G (4G)")->type_name("SIZE");
    add_switch(app, "nat", nat, "It reaches what this computer reaches (the default)",
               "It reaches this computer, and nothing beyond");
    add_switch(app, "autostart", autostart, "Start it when this computer has booted", "Do not (the default)");
    app.add_option("--auto-stop-after", auto_stop, "Stop it after so long without a session (never)")
        ->type_name("DURATION");
    add_switch(app, "protect", protect, "Refuse to delete it", "Do not (the default)");
}

void VmShape::add_to(bus::Variants& request) const {
    if (vcpus && *vcpus == 0)
        throw Error(ErrorCode::InvalidArgument, "--vcpu: a VM needs at least one CPU");
    if (vcpus)
        request["vcpus"] = sdbus::Variant{*vcpus};
    if (!memory.empty())
        request["memory-mib"] = sdbus::Variant{memory_mib(memory)};
    if (!disk.empty())
        request["disk-bytes"] = sdbus::Variant{size_option("--disk", disk, 1)};
    if (nat)
        request["nat"] = sdbus::Variant{*nat};
    if (autostart)
        request["autostart"] = sdbus::Variant{*autostart};
    if (!auto_stop.empty())
        request["auto-stop-after-s"] = sdbus::Variant{auto_stop_seconds(auto_stop)};
    if (protect)
        request["protected"] = sdbus::Variant{*protect};
}

} // namespace banger::cli
