#include "helper/unit_spec.hpp"

#include "helper/vm_unit.hpp"

#include <linux/capability.h>
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
/// A device's path, and which of r, w and m (to make a node of it).
using Device = sdbus::Struct<std::string, std::string>;

/// What Firecracker's jailer, and what prepares its work, cannot do without; docs/privileges.md says what
/// for.
constexpr uint64_t jailer_capabilities = uint64_t{1} << CAP_CHOWN | uint64_t{1} << CAP_DAC_OVERRIDE |
                                         uint64_t{1} << CAP_FOWNER | uint64_t{1} << CAP_MKNOD |
                                         uint64_t{1} << CAP_SETGID | uint64_t{1} << CAP_SETUID |
                                         uint64_t{1} << CAP_SYS_ADMIN;

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
    std::vector<std::string> words{spec.program};
    if (spec.jailer) {
        words.emplace_back("--jailer");
    } else {
        properties.add("User", std::to_string(spec.uid));
        properties.add("Group", std::to_string(spec.gid));
    }
    properties.add("ExecStart", std::vector<Command>{Command{spec.program, words, false}});
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

void allow_devices(Properties& properties, const std::vector<Device>& devices) {
    properties.add("DevicePolicy", "closed");
    properties.add("DeviceAllow", devices);
}

/// Of every VM's unit. Not ProtectHome= (an owner's disks are there).
void add_confinement(Properties& properties) {
    properties.add("NoNewPrivileges", true);
    properties.add("ProtectSystem", "full");
    properties.add("RestrictRealtime", true);
    properties.add("RestrictSUIDSGID", true);
    properties.add("LockPersonality", true);
    properties.add("SystemCallArchitectures", std::vector<std::string>{"native"});
    properties.add("SystemCallFilter", Filter{false,
                                              {"@clock", "@cpu-emulation", "@debug", "@module", "@obsolete",
                                               "@raw-io", "@reboot", "@swap"}});
    properties.add("SystemCallErrorNumber", int32_t{1}); // EPERM
    properties.add("UMask", uint32_t{0077});
}

/// What is taken away leaves bubblewrap its namespaces: not ProtectHostname= (the jail has a host name of its
/// own), nor ProtectKernelTunables= (it switches further user namespaces off by a file below /proc/sys), nor
/// MemoryDenyWriteExecute= (QEMU translates code).
void confine_bubblewrap(Properties& properties) {
    constexpr uint64_t namespaces =
        CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
    properties.add("CapabilityBoundingSet", uint64_t{0});
    properties.add("RestrictNamespaces", namespaces);
    properties.add("RestrictAddressFamilies", Filter{true, {"AF_UNIX", "AF_NETLINK"}});
    allow_devices(properties, {Device{"/dev/kvm", "rw"}, Device{"/dev/vhost-vsock", "rw"}});
}

/// The jailer makes nodes of the devices, of /dev/userfaultfd only where the kernel has one, and Firecracker
/// opens the first two.
void confine_jailer(Properties& properties) {
    properties.add("CapabilityBoundingSet", jailer_capabilities);
    properties.add("PrivateMounts", true);
    properties.add("RestrictNamespaces", uint64_t{CLONE_NEWNS});
    properties.add("RestrictAddressFamilies", Filter{true, {"AF_UNIX"}});
    properties.add("MemoryDenyWriteExecute", true);
    properties.add("ProtectKernelTunables", true);
    properties.add("ProtectKernelModules", true);
    properties.add("ProtectKernelLogs", true);
    properties.add("ProtectControlGroups", true);
    properties.add("KeyringMode", "private");
    allow_devices(properties, {Device{"/dev/kvm", "rwm"}, Device{"/dev/net/tun", "rwm"},
                               Device{"/dev/urandom", "rm"}, Device{"/dev/userfaultfd", "m"}});
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
    if (spec.jailer)
        confine_jailer(properties);
    else
        confine_bubblewrap(properties);
    return properties.take();
}

} // namespace banger::helper
