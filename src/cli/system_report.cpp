#include "cli/system_report.hpp"

#include "cli/text.hpp"

#include <algorithm>

namespace banger::cli {

namespace {

using install::ChangeKind;

std::string owner_names(const install::Metadata& metadata) {
    std::string names;
    for (const auto& owner : metadata.owners)
        names += (names.empty() ? "" : ", ") + owner.name;
    return names.empty() ? "nobody" : names;
}

bool has_failed(const install::StatusReport& report) {
    return report.interrupted || !report.files.empty() || report.helper.active == "failed" ||
           (!report.helper.load.empty() && report.helper.load != "loaded");
}

std::string vm_summary(const std::vector<install::KnownVm>& vms) {
    const auto running = std::count_if(vms.begin(), vms.end(), [](const auto& vm) { return vm.running; });
    return std::to_string(vms.size()) + " known to the helper, " + std::to_string(running) + " running";
}

} // namespace

std::string install_text(const install::InstallReport& report, bool dry_run) {
    std::string text;
    for (const auto& change : report.plan.changes)
        if (change.changes())
            text += std::string(change_name(change.kind)) + "  " + safe_text(change.path, false) + "\n";
    for (const auto& note : report.notes)
        text += note + "\n";
    const auto owners = safe_text(owner_names(report.plan.after), false);
    if (dry_run)
        return text + (report.plan.changes_anything() ? "" : "Nothing would be changed.\n");
    if (!report.plan.changes_anything())
        return text + "Nothing to change: banger " + report.plan.after.version + " is installed for " +
               owners + ".\n";
    return text + "banger " + report.plan.after.version + " is installed for " + owners + ".\n";
}

Json install_json(const install::InstallReport& report) {
    auto files = Json::array();
    for (const auto& change : report.plan.changes)
        files.push_back({{"path", change.path}, {"change", change_name(change.kind)}});
    auto owners = Json::array();
    for (const auto& owner : report.plan.after.owners)
        owners.push_back({{"name", owner.name}, {"uid", owner.uid}, {"gid", owner.gid}});
    return {{"version", report.plan.after.version},
            {"changed", report.plan.changes_anything()},
            {"owners", owners},
            {"files", files},
            {"notes", report.notes},
            {"warnings", report.warnings}};
}

std::string uninstall_text(const install::UninstallReport& report, bool purge) {
    std::string text;
    for (const auto& path : report.removed)
        text += "removed  " + safe_text(path, false) + "\n";
    for (const auto& path : report.kept)
        text += "kept     " + safe_text(path, false) + ", which was changed by hand\n";
    if (report.ended_vms > 0)
        text += std::to_string(report.ended_vms) + " running VM(s) were ended\n";
    text += report.was_installed
                ? "banger is not installed any more. Its programs stay, until they are removed as they "
                  "came: by the package manager, or by hand.\n"
                : "banger was not installed.\n";
    if (!report.data.empty()) {
        text += "What its owners have is left to them:\n";
        for (const auto& path : report.data)
            text += "  " + safe_text(path, false) + "\n";
        if (purge)
            text += "To remove it: rm -r, each of these.\n";
    }
    return text;
}

Json uninstall_json(const install::UninstallReport& report) {
    return {{"was_installed", report.was_installed},
            {"removed", report.removed},
            {"kept", report.kept},
            {"ended_vms", report.ended_vms},
            {"data", report.data}};
}

std::string system_status_text(const install::StatusReport& report) {
    if (!report.installed)
        return "banger is not installed on this system: `banger system install --owner USER`, as root, does "
               "that.\n";
    std::vector<std::pair<std::string, std::string>> lines{
        {"state", has_failed(report) ? "degraded" : "installed"},
        {"version", report.metadata.version},
        {"owners", safe_text(owner_names(report.metadata), false)},
        {"programs", safe_text(report.metadata.paths.bindir, false)}};
    if (!report.helper.load.empty())
        lines.emplace_back("helper", report.helper.load + ", " + report.helper.active);
    if (!report.vms.empty())
        lines.emplace_back("VMs", vm_summary(report.vms));
    if (report.interrupted)
        lines.emplace_back("trouble", "an install was cut off: run `banger system install` again");
    for (const auto& file : report.files)
        lines.emplace_back(file.state, safe_text(file.path, false));
    return describe(lines);
}

Json system_status_json(const install::StatusReport& report) {
    if (!report.installed)
        return {{"state", "absent"}};
    auto owners = Json::array();
    for (const auto& owner : report.metadata.owners)
        owners.push_back({{"name", owner.name}, {"uid", owner.uid}, {"gid", owner.gid}});
    auto files = Json::array();
    for (const auto& file : report.files)
        files.push_back({{"path", file.path}, {"state", file.state}});
    auto vms = Json::array();
    for (const auto& vm : report.vms)
        vms.push_back({{"id", vm.vm}, {"uid", vm.uid}, {"running", vm.running}});
    return {{"state", has_failed(report) ? "degraded" : "installed"},
            {"version", report.metadata.version},
            {"owners", owners},
            {"bindir", report.metadata.paths.bindir},
            {"helper", {{"load", report.helper.load}, {"active", report.helper.active}}},
            {"interrupted", report.interrupted},
            {"drift", files},
            {"vms", vms}};
}

int system_status_exit(const install::StatusReport& report) {
    return !report.installed ? 3 : has_failed(report) ? 1 : 0;
}

} // namespace banger::cli
