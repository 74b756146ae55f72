#include "helper/unit_spec.hpp"

#include "helper/vm_unit.hpp"

#include <sched.h>

#include <utility>

namespace banger::helper {

namespace {

constexpr uint64_t mib = 1 << 20;
constexpr uint64_t second_us = 1'000'000;
/// QEMU's thread pool alone may grow to 64 threads.
constexpr uint64_t tasks_besides_cpus = 128;
constexpr uint64_t most_files = 4096;

/// Lists come as (allow?, names).
using Filter = sdbus::Struct<bool, std::vector<std::string>>;

class Properties {
public:
    template <class T>
    void add(const char* name, T value) {
        list_.emplace_back(name, sdbus::Variant{std::move(value)});
    }
    void add(const char* name, const char* value) { add(name, std::string(value)); }
    UnitProperties take() { return std::move(list_); }

private:
    UnitProperties list_;
};

void add_program(Properties& properties, const UnitSpec& spec) {
    using Command = sdbus::Struct<std::string, std::vector<std::string>, bool>;
    properties.add("Description", "banger: VM " + spec.vm + " of " + spec.owner);
    properties.add("Slice", vm_slice);
    properties.add("Type", "exec");
    properties.add("ExecStart", std::vector<Command>{Command{spec.program, {spec.program}, false}});
    properties.add("User", std::to_string(spec.uid));
    properties.add("Group", std::to_string(spec.gid));
    // A VMM that is killed or asked to end has not failed.
    using Statuses = sdbus::Struct<std::vector<int32_t>, std::vector<int32_t>>;
    properties.add("SuccessExitStatus", Statuses{{128 + 9, 128 + 15}, {9, 15}});
    properties.add("CollectMode", "inactive-or-failed");
    properties.add("KillMode", "control-group");
    properties.add("TimeoutStopUSec", 10 * second_us);
    properties.add("SyslogIdentifier", "banger-vm");
    // Not LogExtraFields=: systemd 252 leaves a file in /run/systemd/units behind for each unit that had
    // them.
}

void add_limits(Properties& properties, const UnitSpec& spec) {
    properties.add("MemoryMax", memory_limit(spec.memory_mib));
    properties.add("TasksMax", tasks_besides_cpus + spec.vcpus);
    // Each of the guest's processors, and one for the VMM's own work.
    properties.add("CPUQuotaPerSecUSec", (uint64_t{spec.vcpus} + 1) * second_us);
    properties.add("LimitNOFILE", most_files);
    properties.add("LimitCORE", uint64_t{0});
    // A VM should go before what the user works with (proc(5): from -1000 to 1000), and whole.
    properties.add("OOMScoreAdjust", int32_t{500});
    properties.add("OOMPolicy", "kill");
}

/// What is taken away leaves bubblewrap its namespaces: not ProtectHostname= (the jail has a host name of its
/// own), nor ProtectKernelTunables= (it switches further user namespaces off by a file below /proc/sys), nor
/// ProtectHome= (an owner's disks are there), nor MemoryDenyWriteExecute= (QEMU translates code).
void add_confinement(Properties& properties) {
    constexpr uint64_t namespaces =
        CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
    using Device = sdbus::Struct<std::string, std::string>;
    properties.add("NoNewPrivileges", true);
    properties.add("CapabilityBoundingSet", uint64_t{0});
    properties.add("ProtectSystem", "full");
    properties.add("RestrictNamespaces", namespaces);
    properties.add("RestrictAddressFamilies", Filter{true, {"AF_UNIX", "AF_NETLINK"}});
    properties.add("RestrictRealtime", true);
    properties.add("RestrictSUIDSGID", true);
    properties.add("LockPersonality", true);
    properties.add("SystemCallArchitectures", std::vector<std::string>{"native"});
    properties.add("SystemCallFilter", Filter{false,
                                              {"@clock", "@cpu-emulation", "@debug", "@module", "@obsolete",
                                               "@raw-io", "@reboot", "@swap"}});
    properties.add("SystemCallErrorNumber", int32_t{1}); // EPERM
    properties.add("DevicePolicy", "closed");
    properties.add("DeviceAllow",
                   std::vector<Device>{Device{"/dev/kvm", "rw"}, Device{"/dev/vhost-vsock", "rw"}});
    properties.add("UMask", uint32_t{0077});
}

} // namespace

uint64_t memory_limit(uint32_t guest_mib) {
    return (uint64_t{guest_mib} + guest_mib / 8 + 1024) * mib;
}

UnitProperties unit_properties(const UnitSpec& spec) {
    Properties properties;
    add_program(properties, spec);
    add_limits(properties, spec);
    add_confinement(properties);
    return properties.take();
}

} // namespace banger::helper
