#include "install/plan.hpp"

#include "install/digest.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

namespace banger::install {

namespace {

constexpr unsigned wanted_mode = 0644;

WantedFile in_system(const char* folder, const char* name, const std::string& vendor_folder,
                     std::string content) {
    return {std::string(folder) + "/" + name, vendor_folder + "/" + name, std::move(content)};
}

/// The change for one file that is wanted. A package's file does when nothing of ours or the administrator's
/// stands before it.
Change compare(const Tree& tree, const Metadata& before, const WantedFile& wanted, bool overwrite) {
    const auto* record = before.file(wanted.path);
    const auto current = tree.look(wanted.path);
    const bool packaged = !wanted.vendor.empty() && wanted.vendor != wanted.path && [&] {
        const auto vendor = tree.look(wanted.vendor);
        return vendor && vendor->regular && vendor->content == wanted.content;
    }();
    if (!current)
        return {packaged ? ChangeKind::Packaged : ChangeKind::Write, wanted.path, wanted.content, {}};
    if (!current->regular)
        return {ChangeKind::Keep, wanted.path, {}, {}};
    const bool ours = record && record->written && is_as_recorded(*record, current->content);
    // An install was cut off before it put that aside.
    const bool foreign = record && record->foreign == sha256(current->content);
    const bool fit = current->mode == wanted_mode && current->uid == 0;
    if (packaged && ours)
        return {ChangeKind::Remove, wanted.path, {}, current->content, current->mode};
    if (current->content == wanted.content && fit)
        return {ChangeKind::Unchanged, wanted.path, wanted.content, {}};
    const bool same = current->content == wanted.content;
    const auto kind = !same && (foreign || !record)           ? ChangeKind::Save
                      : ours || same || (record && overwrite) ? ChangeKind::Replace
                                                              : ChangeKind::Keep;
    return {kind, wanted.path, wanted.content, current->content, current->mode};
}

/// What an earlier install wrote and nobody wants any more.
void add_removals(const Tree& tree, const std::vector<WantedFile>& wanted, Plan& plan) {
    for (const auto& record : plan.before.files) {
        const bool still = std::any_of(wanted.begin(), wanted.end(),
                                       [&](const auto& file) { return file.path == record.path; });
        const auto current = record.written && !still ? tree.look(record.path) : std::nullopt;
        if (!current)
            continue;
        const bool ours = current->regular && is_as_recorded(record, current->content);
        plan.changes.push_back(
            {ours ? ChangeKind::Remove : ChangeKind::Keep, record.path, {}, current->content, current->mode});
        if (!ours)
            plan.after.files.push_back(record);
    }
}

} // namespace

std::vector<WantedFile> wanted_files(const Metadata& metadata) {
    const auto& bindir = metadata.paths.bindir;
    const auto prefix = std::filesystem::path(bindir).parent_path().string();
    const auto units = prefix + "/lib/systemd";
    const auto services = prefix + "/share/dbus-1";
    return {
        in_system("/etc/systemd/system", slice_name, units + "/system", render_slice()),
        in_system("/etc/systemd/system", helper_unit_name, units + "/system", render_helper_unit(bindir)),
        in_system("/etc/systemd/user", daemon_unit_name, units + "/user", render_daemon_unit(bindir)),
        in_system("/etc/tmpfiles.d", tmpfiles_name, prefix + "/lib/tmpfiles.d", render_tmpfiles()),
        // dbus-daemon looks for these two below XDG's data folders only, and polkit for actions below
        // /usr/share only.
        in_system("/usr/local/share/dbus-1/system-services", helper_activation_name,
                  services + "/system-services", render_helper_activation(bindir, true)),
        in_system("/usr/local/share/dbus-1/services", manager_activation_name, services + "/services",
                  render_manager_activation(bindir, true)),
        in_system("/usr/share/polkit-1/actions", polkit_policy_name, "/usr/share/polkit-1/actions",
                  render_polkit_policy()),
        {"/etc/polkit-1/rules.d/" + std::string(polkit_rules_name), {}, render_polkit_rules(metadata)},
        // The last: with it owners can call the helper.
        {"/etc/dbus-1/system.d/" + std::string(bus_policy_name), {}, render_bus_policy(metadata)},
    };
}

std::string_view change_name(ChangeKind kind) noexcept {
    constexpr std::array<std::string_view, 7> names{"unchanged", "packaged", "written", "replaced",
                                                    "saved",     "kept",     "removed"};
    return names[static_cast<size_t>(kind)];
}

std::string aside_path(const std::string& path) {
    return path + ".banger-old";
}

bool Plan::changes_anything() const noexcept {
    return !(before == after) ||
           std::any_of(changes.begin(), changes.end(), [](const auto& c) { return c.changes(); });
}

bool is_as_recorded(const InstalledFile& record, std::string_view content) {
    const auto hash = sha256(content);
    return hash == record.sha256 || hash == record.previous;
}

Plan make_plan(const Tree& tree, const Metadata& before, Metadata after, const Programs& programs,
               bool overwrite) {
    Plan plan{before, std::move(after), {}};
    plan.after.files.clear();
    for (const auto& path : programs.files)
        plan.after.files.push_back({path, sha256(tree.look(path)->content), {}, false});
    const auto wanted = wanted_files(plan.after);
    for (const auto& file : wanted) {
        auto change = compare(tree, before, file, overwrite);
        const auto* record = before.file(file.path);
        // Some have one place for packages and installs alike: whose the file is, the record tells.
        const bool found = change.kind == ChangeKind::Unchanged && !record && file.path == file.vendor;
        if (change.kind == ChangeKind::Packaged || (change.kind == ChangeKind::Remove))
            plan.after.files.push_back({file.vendor, sha256(file.content), {}, false});
        else if (change.kind == ChangeKind::Keep && record)
            plan.after.files.push_back(*record); // the drift goes on being one
        else if (change.kind == ChangeKind::Keep)
            plan.after.files.push_back({file.path, sha256(file.content), {}, true});
        else
            plan.after.files.push_back(
                {file.path, sha256(file.content), {}, found ? false : !record || record->written});
        plan.changes.push_back(std::move(change));
    }
    add_removals(tree, wanted, plan);
    return plan;
}

} // namespace banger::install
