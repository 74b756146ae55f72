#include "base/accelerator.hpp"
#include "base/companion.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "doctor/doctor.hpp"
#include "doctor/probe.hpp"

#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>

namespace banger::doctor {

namespace {

constexpr auto version_patience = std::chrono::seconds(5);

std::string trimmed(std::string text) {
    text.resize(std::min(text.find('\n'), text.size()));
    while (!text.empty() && text.back() == ' ')
        text.pop_back();
    return text;
}

void check_kvm(Checks& checks) {
    if (accelerator() == "kvm") {
        checks.push_back({"host.kvm", Verdict::Pass, "guests run on KVM"});
        return;
    }
    const bool there = ::access("/dev/kvm", F_OK) == 0;
    const bool open = ::access("/dev/kvm", R_OK | W_OK) == 0;
    const char* finding = !there  ? "there is no /dev/kvm: guests are emulated, and slow"
                          : !open ? "/dev/kvm is not yours to open: guests are emulated, and slow"
                                  : "the processor says neither vmx nor svm: guests are emulated, and slow";
    const char* advice = !there  ? "switch virtualization on in the firmware, and load kvm_intel or kvm_amd"
                         : !open ? "have your account added to the group kvm, and log in again"
                                 : "on a virtual machine: have nested virtualization switched on for it";
    checks.push_back({"host.kvm", Verdict::Warn, finding, advice});
}

void check_kernel(Checks& checks) {
    struct utsname name{};
    ::uname(&name);
    checks.push_back(
        {"host.kernel", Verdict::Info, std::string("Linux ") + name.release + " on " + name.machine});
    struct statfs facts{};
    const bool unified = ::statfs("/sys/fs/cgroup", &facts) == 0 && facts.f_type == CGROUP2_SUPER_MAGIC;
    if (unified)
        checks.push_back({"host.cgroup", Verdict::Pass, "control groups are unified (v2)"});
    else
        checks.push_back({"host.cgroup", Verdict::Warn,
                          "control groups are not unified (v2): VMs have no limits",
                          "boot with systemd.unified_cgroup_hierarchy=1"});
    const auto namespaces =
        std::strtoull(read_file("/proc/sys/user/max_user_namespaces").c_str(), nullptr, 10);
    if (namespaces > 0)
        checks.push_back({"host.user-namespaces", Verdict::Pass, "user namespaces are allowed"});
    else
        checks.push_back({"host.user-namespaces", Verdict::Fail,
                          "user namespaces are switched off, of which jails and image builds are made",
                          "set user.max_user_namespaces with sysctl(8)"});
}

struct Device {
    const char* id;
    const char* path;
    Verdict without;
    const char* what;
    const char* advice;
};

constexpr Device devices[] = {
    {"host.tun", "/dev/net/tun", Verdict::Fail, "no network for guests", "load the module tun"},
    {"host.device-mapper", "/dev/mapper/control", Verdict::Warn, "no disk snapshots",
     "load the module dm_snapshot"},
    {"host.loop", "/dev/loop-control", Verdict::Warn, "no disk snapshots", "load the module loop"},
    {"host.vsock", "/dev/vhost-vsock", Verdict::Info, "guests are reached over virtio-serial instead",
     "load the module vhost_vsock"},
};

void check_devices(Checks& checks) {
    for (const auto& device : devices) {
        if (::access(device.path, F_OK) == 0)
            checks.push_back({device.id, Verdict::Pass, std::string(device.path) + " is there"});
        else
            checks.push_back({device.id, device.without,
                              std::string("there is no ") + device.path + ": " + device.what, device.advice});
    }
}

struct Tool {
    const char* program;
    const char* package;
    Verdict without;
    const char* what;
};

constexpr Tool tools[] = {
    {"bwrap", "bubblewrap", Verdict::Fail, "no VM can be jailed"},
    {"qemu-system-x86_64", "qemu-system-x86", Verdict::Warn, "VMs run with Firecracker only"},
    {"mmdebstrap", "mmdebstrap", Verdict::Warn, "no image can be built"},
    {"newuidmap", "uidmap", Verdict::Warn, "no image can be built"},
    {"git", "git", Verdict::Warn, "workspaces cannot be sent into a VM"},
    {"mke2fs", "e2fsprogs", Verdict::Warn, "no disk can be made"},
};

/// The first line of what it says about its version; some have no such option.
std::string version_of(const std::string& program) {
    ProcessSpec spec;
    spec.program = program;
    spec.arguments = {"--version"};
    spec.environment = {"PATH=/usr/bin:/bin", "LC_ALL=C"};
    try {
        const auto result = run(std::move(spec), {version_patience, 64 << 10, {}});
        return result.status == 0 ? trimmed(result.output) : std::string();
    } catch (const Error&) {
        return {};
    }
}

void check_tools(Checks& checks) {
    for (const auto& tool : tools) {
        const auto id = std::string("host.tool.") + tool.program;
        try {
            const auto path = find_program(tool.program, tool.package);
            const auto version = version_of(path);
            checks.push_back({id, Verdict::Pass, path + (version.empty() ? "" : ": " + version)});
        } catch (const Error& error) {
            checks.push_back({id, tool.without, error.message() + ": " + tool.what, error.hint()});
        }
    }
    for (const char* name : {"banger-agent", "banger-jail", "banger-qemu"})
        try {
            checks.push_back({std::string("host.tool.") + name, Verdict::Pass, companion_path(name)});
        } catch (const Error& error) {
            checks.push_back(
                {std::string("host.tool.") + name, Verdict::Fail, error.message(), error.hint()});
        }
}

} // namespace

Checks check_host() {
    Checks checks;
    guarded(checks, "host.kvm", Verdict::Warn, [&] { check_kvm(checks); });
    guarded(checks, "host.kernel", Verdict::Warn, [&] { check_kernel(checks); });
    check_devices(checks);
    guarded(checks, "host.tools", Verdict::Warn, [&] { check_tools(checks); });
    return checks;
}

} // namespace banger::doctor
