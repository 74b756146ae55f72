#include "cli/vm_info.hpp"

#include "base/size.hpp"
#include "cli/properties.hpp"

namespace banger::cli {

bool VmInfo::active() const {
    return state != "created" && state != "stopped" && state != "failed";
}

VmInfo vm_info(const bus::Variants& properties) {
    VmInfo vm;
    vm.id = property<std::string>(properties, "Id");
    vm.name = property<std::string>(properties, "Name");
    vm.state = property<std::string>(properties, "State");
    vm.address = property<std::string>(properties, "Address");
    vm.image = property<std::string>(properties, "Image");
    vm.kernel = property<std::string>(properties, "Kernel");
    vm.vcpus = property<uint32_t>(properties, "Vcpus");
    vm.memory_mib = property<uint32_t>(properties, "MemoryMiB");
    vm.disk_bytes = property<uint64_t>(properties, "DiskBytes");
    vm.vmm = property<std::string>(properties, "Vmm");
    vm.pid = property<uint32_t>(properties, "Pid");
    vm.exit_reason = property<std::string>(properties, "ExitReason");
    vm.exit_detail = property<std::string>(properties, "ExitDetail");
    vm.nat = property<bool>(properties, "Nat");
    vm.ephemeral = property<bool>(properties, "Ephemeral");
    vm.is_protected = property<bool>(properties, "Protected");
    vm.autostart = property<bool>(properties, "Autostart");
    vm.auto_stop_after_s = property<uint32_t>(properties, "AutoStopAfter");
    vm.created_at = property<uint64_t>(properties, "CreatedAt");
    vm.started_at = property<uint64_t>(properties, "StartedAt");
    vm.last_active = property<uint64_t>(properties, "LastActive");
    return vm;
}

Json vm_json(const VmInfo& vm) {
    return {{"id", vm.id},
            {"name", vm.name},
            {"state", vm.state},
            {"address", vm.address},
            {"image", vm.image},
            {"kernel", vm.kernel},
            {"vcpus", vm.vcpus},
            {"memory_mib", vm.memory_mib},
            {"disk_bytes", vm.disk_bytes},
            {"vmm", vm.vmm},
            {"pid", vm.pid},
            {"exit_reason", vm.exit_reason},
            {"exit_detail", vm.exit_detail},
            {"nat", vm.nat},
            {"ephemeral", vm.ephemeral},
            {"protected", vm.is_protected},
            {"autostart", vm.autostart},
            {"auto_stop_after_s", vm.auto_stop_after_s},
            {"created_at", time_json(vm.created_at)},
            {"started_at", time_json(vm.started_at)},
            {"last_active_at", time_json(vm.last_active)}};
}

std::string vm_state(const VmInfo& vm) {
    const bool asked_for =
        vm.exit_reason.empty() || vm.exit_reason == "stopped" || vm.exit_reason == "killed";
    return vm.active() || asked_for ? vm.state : vm.state + " (" + vm.exit_reason + ")";
}

std::string vm_memory(const VmInfo& vm) {
    return human_size(vm.memory_mib * (uint64_t{1} << 20));
}

std::string vm_uptime(const VmInfo& vm, uint64_t now) {
    const bool runs = vm.state == "running" || vm.state == "paused";
    return runs && vm.started_at != 0 ? span(vm.started_at, now) : "";
}

std::string vm_description(const VmInfo& vm, uint64_t now) {
    const auto when = [now](uint64_t time) {
        return time == 0 ? std::string("never")
                         : time_json(time).get<std::string>() + " (" + age(time, now) + ")";
    };
    const auto yes = [](bool is) { return std::string(is ? "yes" : "no"); };
    const auto auto_stop = span(0, uint64_t{vm.auto_stop_after_s} * 1'000'000);
    return describe({{"Name", vm.name},
                     {"Id", vm.id},
                     {"State", vm.state},
                     {"Exit reason", vm.exit_reason + (vm.exit_detail.empty() ? "" : ": " + vm.exit_detail)},
                     {"Address", vm.address},
                     {"Image", vm.image},
                     {"Kernel", vm.kernel},
                     {"CPUs", std::to_string(vm.vcpus)},
                     {"Memory", vm_memory(vm)},
                     {"Disk", human_size(vm.disk_bytes)},
                     {"VMM", vm.vmm},
                     {"Process", vm.pid == 0 ? "" : std::to_string(vm.pid)},
                     {"NAT", yes(vm.nat)},
                     {"Ephemeral", yes(vm.ephemeral)},
                     {"Protected", yes(vm.is_protected)},
                     {"Autostart", yes(vm.autostart)},
                     {"Auto stop", vm.auto_stop_after_s == 0 ? "never" : "after " + auto_stop},
                     {"Created", when(vm.created_at)},
                     {"Started", when(vm.started_at)},
                     {"Last active", when(vm.last_active)}});
}

} // namespace banger::cli
