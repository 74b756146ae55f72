#include "base/accelerator.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "bus/errors.hpp"
#include "bus/object_path.hpp"
#include "doctor/doctor.hpp"
#include "doctor/probe.hpp"
#include "doctor/promises.hpp"
#include "install/install.hpp"

#include <unistd.h>

#include <cstdlib>
#include <map>
#include <sstream>

namespace banger::doctor {

namespace {

constexpr const char* service = "org.freedesktop.systemd1";
constexpr const char* manager_path = "/org/freedesktop/systemd1";
constexpr const char* reinstall_advice = "as root: banger system install";

template <class T>
T get(const bus::Variants& properties, const char* name) {
    const auto found = properties.find(name);
    return found != properties.end() && found->second.containsValueOfType<T>() ? found->second.get<T>() : T{};
}

std::string unit_path(sdbus::IConnection& connection, const std::string& unit) {
    return bus::call([&]() -> std::string {
        auto manager =
            sdbus::createProxy(connection, bus::ServiceName(service), bus::ObjectPath(manager_path));
        sdbus::ObjectPath path;
        manager->callMethod("LoadUnit")
            .onInterface("org.freedesktop.systemd1.Manager")
            .withTimeout(patience)
            .withArguments(unit)
            .storeResultsTo(path);
        return path;
    });
}

/// One line of /proc/PID/status, without its name; empty when there is none.
std::string status_line(const std::string& status, const std::string& name) {
    std::istringstream lines(status);
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with(name + ":\t"))
            return line.substr(name.size() + 2);
    return {};
}

/// What the kernel holds of the process that runs now, which an old unit may have started.
void check_process(Checks& checks, const std::string& id, uint32_t pid, uint64_t capabilities) {
    const auto status = read_file("/proc/" + std::to_string(pid) + "/status", 64 << 10);
    const auto bounding = std::strtoull(status_line(status, "CapBnd").c_str(), nullptr, 16);
    const bool seccomp = status_line(status, "Seccomp") == "2";
    const bool no_new = status_line(status, "NoNewPrivs") == "1";
    if (bounding == capabilities && seccomp && no_new)
        checks.push_back(
            {id, Verdict::Pass, "process " + std::to_string(pid) + " is restricted as its unit says"});
    else
        checks.push_back({id, Verdict::Fail,
                          "process " + std::to_string(pid) + " is not restricted as its unit says" +
                              (seccomp ? "" : ", has no filter of system calls") +
                              (no_new ? "" : ", may gain privileges") +
                              (bounding == capabilities ? "" : ", has other capabilities"),
                          "as root: banger system restart --daemons"});
}

void check_loaded(Checks& checks, const std::string& id, const std::string& name, const bus::Variants& unit) {
    const auto load = get<std::string>(unit, "LoadState");
    const auto active = get<std::string>(unit, "ActiveState");
    if (load != "loaded")
        checks.push_back({id, Verdict::Fail, name + " is " + load, reinstall_advice});
    else if (active == "failed")
        checks.push_back({id, Verdict::Fail, name + " has failed", "journalctl -u " + name + " tells why"});
    else
        checks.push_back({id, Verdict::Pass, name + " is loaded, " + active});
    for (const auto& path : get<std::vector<std::string>>(unit, "DropInPaths"))
        checks.push_back({id + ".drop-in", Verdict::Info, path + " changes " + name});
    if (get<bool>(unit, "NeedDaemonReload"))
        checks.push_back({id + ".reload", Verdict::Warn, name + " has changed since systemd read it",
                          "as root: systemctl daemon-reload",
                          ::geteuid() == 0 ? [] { install::Systemd().reload(); } : std::function<void()>()});
}

void check_unit(Checks& checks, sdbus::IConnection& connection, const std::string& id,
                const std::string& name, const std::string& text) {
    const auto path = unit_path(connection, name);
    const auto unit = properties(connection, service, path, "org.freedesktop.systemd1.Unit");
    check_loaded(checks, id, name, unit);
    if (get<std::string>(unit, "LoadState") != "loaded")
        return;
    const auto facts = properties(connection, service, path, "org.freedesktop.systemd1.Service");
    const auto compared = compare_promises(text, facts);
    for (const auto& broken : compared.broken)
        checks.push_back({id + ".directive", Verdict::Fail, name + ": " + broken,
                          "remove what changes it (`systemctl cat " + name + "`), or " + reinstall_advice});
    checks.push_back(
        {id + ".directives", Verdict::Pass,
         std::to_string(compared.kept.size()) + " restrictions of " + name + " are as promised"});
    std::string capabilities;
    for (const auto& [key, value] : service_settings(text))
        if (key == "CapabilityBoundingSet")
            capabilities = value;
    if (const auto pid = get<uint32_t>(facts, "MainPID"); pid > 0)
        check_process(checks, id + ".process", pid, capability_mask(capabilities));
}

} // namespace

Checks check_units(const install::Metadata& metadata) {
    Checks checks;
    guarded(checks, "units.helper", Verdict::Fail, [&] {
        const auto connection = bus::call([] { return sdbus::createSystemBusConnection(); });
        check_unit(checks, *connection, "units.helper", install::helper_unit_name,
                   install::render_helper_unit(metadata.paths.bindir));
        const auto slice = properties(*connection, service, unit_path(*connection, install::slice_name),
                                      "org.freedesktop.systemd1.Unit");
        check_loaded(checks, "units.slice", install::slice_name, slice);
    });
    if (::geteuid() == 0) {
        checks.push_back({"units.daemon", Verdict::Info, "an owner's doctor looks at the owner's daemon"});
        return checks;
    }
    guarded(checks, "units.daemon", Verdict::Warn, [&] {
        const auto connection = bus::call([] { return sdbus::createSessionBusConnection(); });
        check_unit(checks, *connection, "units.daemon", install::daemon_unit_name,
                   install::render_daemon_unit(metadata.paths.bindir));
    });
    return checks;
}

namespace {

/// With Firecracker, or why not. Whether it is chosen depends on who asks: KVM must be the owner's to open.
void check_vmm(Checks& checks, const bus::Variants& facts) {
    using Texts = std::map<std::string, std::string>;
    const auto there = get<Texts>(facts, "Vmms");
    const auto troubles = get<Texts>(facts, "VmmTroubles");
    const auto firecracker = there.find("firecracker");
    if (firecracker == there.end()) {
        const auto trouble = troubles.find("firecracker");
        checks.push_back(
            {"helper.vmm", Verdict::Info,
             "VMs run with banger-qemu: " +
                 (trouble == troubles.end() ? "the helper has no Firecracker" : trouble->second)});
    } else if (accelerator() != "kvm") {
        checks.push_back(
            {"helper.vmm", Verdict::Info,
             "VMs run with banger-qemu: Firecracker " + firecracker->second + " is there, and needs KVM"});
    } else {
        checks.push_back({"helper.vmm", Verdict::Pass,
                          "VMs run with Firecracker " + firecracker->second + " under its jailer"});
    }
}

} // namespace

Checks check_helper(const install::Metadata& metadata) {
    Checks checks;
    if (::geteuid() != 0 && !metadata.owner(::geteuid()))
        return checks; // the bus would not let the call through
    guarded(checks, "helper.answers", Verdict::Fail, [&] {
        const auto connection = bus::call([] { return sdbus::createSystemBusConnection(); });
        const auto facts =
            properties(*connection, bus::helper_service, bus::helper_path, "org.banger.Helper1.Machine");
        const auto version = get<std::string>(facts, "Version");
        if (version == BANGER_VERSION)
            checks.push_back({"helper.answers", Verdict::Pass, "the helper answers: version " + version});
        else
            checks.push_back({"helper.answers", Verdict::Warn,
                              "the helper that runs is " + version + ", and this is " BANGER_VERSION,
                              "as root: banger system restart"});
        check_vmm(checks, facts);
    });
    return checks;
}

} // namespace banger::doctor
