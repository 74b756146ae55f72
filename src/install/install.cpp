#include "install/install.hpp"

#include "base/error.hpp"
#include "install/accounts.hpp"
#include "install/apply.hpp"
#include "install/daemons.hpp"
#include "install/lock.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace banger::install {

namespace {

/// What the last install wrote down. Metadata that cannot be read is as good as none: the caller must name
/// the owners again, and what stands in place of our files is put aside.
Metadata read_before(const Tree& tree, std::vector<std::string>& warnings) {
    try {
        return read_metadata(tree.at(metadata_path));
    } catch (const Error& error) {
        if (error.code() != ErrorCode::NotFound)
            warnings.push_back(error.message() + "; it is written anew");
        return {};
    }
}

Metadata wanted_metadata(const Tree& tree, const InstallOptions& options, const Metadata& before,
                         const Programs& programs) {
    Metadata after;
    after.version = BANGER_VERSION;
    std::vector<std::string> names = options.owners;
    if (names.empty())
        for (const auto& owner : before.owners)
            names.push_back(owner.name);
    if (names.empty())
        throw Error(ErrorCode::InvalidArgument, "nobody is named who may use the root helper",
                    "name an account: banger system install --owner USER");
    after.owners = find_owners(tree, names);
    after.paths = before.paths;
    after.paths.bindir = programs.bindir;
    if (!options.firecracker.empty())
        after.paths.firecracker = options.firecracker;
    if (!options.jailer.empty())
        after.paths.jailer = options.jailer;
    check(after);
    return after;
}

void check_host(const Tree& tree) {
    if (!tree.is_system())
        return;
    if (!booted_with_systemd())
        throw Error(ErrorCode::Unavailable,
                    "this system was not booted with systemd, which keeps the root helper",
                    "use a private instance (banger-instance(1)), or --root DIR to prepare another system");
    struct stat status{};
    for (const auto& [folder, package] :
         {std::pair("/etc/dbus-1/system.d", "dbus"), std::pair("/etc/polkit-1/rules.d", "polkitd")})
        if (::stat(folder, &status) < 0)
            throw Error(ErrorCode::Unavailable, std::string(folder) + " is not there",
                        "install " + std::string(package) + " first");
}

bool is_same_owner(const Owner& a, const Owner& b) {
    return a.name == b.name && a.uid == b.uid;
}

std::vector<Owner> removed_owners(const Plan& plan) {
    std::vector<Owner> gone;
    for (const auto& owner : plan.before.owners)
        if (std::none_of(plan.after.owners.begin(), plan.after.owners.end(),
                         [&](const auto& other) { return is_same_owner(owner, other); }))
            gone.push_back(owner);
    return gone;
}

void warn_of_plan(const Plan& plan, InstallReport& report) {
    for (const auto& change : plan.changes)
        if (change.kind == ChangeKind::Keep)
            report.warnings.push_back(change.path + " was changed by hand and is kept as it is; " +
                                      "--overwrite replaces it");
        else if (change.kind == ChangeKind::Save)
            report.warnings.push_back(change.path + " held something else, which is now " +
                                      aside_path(change.path));
}

/// A former owner's VMs run on, and only root can end them.
void warn_of_orphans(const Plan& plan, InstallReport& report) {
    const auto gone = removed_owners(plan);
    if (gone.empty())
        return;
    const auto vms = known_vms();
    for (const auto& owner : gone) {
        const auto running = std::count_if(vms.begin(), vms.end(),
                                           [&](const auto& vm) { return vm.uid == owner.uid && vm.running; });
        if (running > 0)
            report.warnings.push_back(owner.name + " is no owner any more, but " + std::to_string(running) +
                                      " of its VMs run on: register it again to stop them");
    }
}

/// Whether a file is changed whose path holds `part`, or was by an install that did not come to its end.
bool changes_below(const Plan& plan, std::string_view part) {
    const auto is_below = [&](const auto& file) { return file.path.find(part) != std::string::npos; };
    return std::any_of(plan.changes.begin(), plan.changes.end(),
                       [&](const auto& change) { return change.changes() && is_below(change); }) ||
           std::any_of(plan.before.files.begin(), plan.before.files.end(),
                       [&](const auto& file) { return file.under_way() && is_below(file); });
}

/// Whether a file that was there before, at a path with this end, has another content now.
bool replaced(const Plan& plan, std::string_view end) {
    return std::any_of(plan.after.files.begin(), plan.after.files.end(), [&](const auto& file) {
        const auto* before = plan.before.file(file.path);
        return file.path.ends_with(end) && before && (before->sha256 != file.sha256 || before->under_way());
    });
}

/// Its program, its module, its unit, wherever that is.
bool helper_changed(const Plan& plan) {
    return changes_below(plan, helper_unit_name) || replaced(plan, helper_unit_name) ||
           replaced(plan, "/banger") || replaced(plan, "/libbanger-helper.so");
}

bool daemon_changed(const Plan& plan) {
    return replaced(plan, daemon_unit_name) || replaced(plan, "/banger") ||
           replaced(plan, "/libbanger-daemon.so");
}

void reload(const Plan& plan, InstallReport& report) {
    Systemd systemd;
    const auto note = [&](const char* text) { report.notes.emplace_back(text); };
    if (changes_below(plan, "/systemd/") || helper_changed(plan)) {
        systemd.reload();
        note("systemd has read its units anew");
    }
    if (changes_below(plan, "/systemd/user/")) {
        std::vector<unsigned> uids;
        for (const auto& owner : plan.after.owners)
            uids.push_back(owner.uid);
        systemd.reload_users(uids);
    }
    if (changes_below(plan, "/dbus-1/")) {
        systemd.reload_bus();
        note("the message bus has read its configuration anew");
    }
    if (helper_changed(plan) && systemd.state(helper_unit_name).active == "active") {
        systemd.try_restart(helper_unit_name);
        note("the helper was restarted; VMs go on");
    }
    if (daemon_changed(plan))
        note("owners' daemons that run go on as they were, until `banger system restart --daemons`");
}

} // namespace

void require_root(const std::string& command) {
    if (::geteuid() != 0)
        throw Error(ErrorCode::NotAuthorized,
                    "`" + command +
                        "` changes the system, so root must call it; banger never asks for a password "
                        "to become root",
                    "as root, or with what your system has for that: sudo " + command);
}

InstallReport install(const InstallOptions& options) {
    require_root("banger system install");
    ::umask(022); // other accounts read what is written here: the bus's, polkit's
    const Tree tree(options.root);
    check_host(tree);
    const auto programs = find_programs(tree);
    require_trusted(tree, programs.files);
    for (const auto& path : {options.firecracker, options.jailer})
        if (!path.empty())
            require_trusted(tree, {path});
    const SystemLock lock(tree);
    InstallReport report;
    const auto before = read_before(tree, report.warnings);
    report.plan = make_plan(tree, before, wanted_metadata(tree, options, before, programs), programs,
                            options.overwrite);
    warn_of_plan(report.plan, report);
    if (tree.is_system())
        warn_of_orphans(report.plan, report);
    if (options.dry_run)
        return report;
    apply(tree, report.plan, [&] {
        if (tree.is_system())
            reload(report.plan, report);
    });
    return report;
}

std::vector<std::string> restart(bool daemons) {
    require_root("banger system restart");
    const auto metadata = read_metadata();
    Systemd systemd;
    std::vector<std::string> notes;
    const bool active = systemd.state(helper_unit_name).active == "active";
    if (active)
        systemd.try_restart(helper_unit_name);
    notes.emplace_back(active ? "the helper was restarted; VMs go on"
                              : "the helper does not run; the bus starts it when it is called");
    for (const auto& owner : metadata.owners)
        if (const auto ended = daemons ? end_daemons(owner.uid) : 0; ended > 0)
            notes.push_back("the daemon of " + owner.name +
                            " was ended; the bus starts it when it is called");
    return notes;
}

} // namespace banger::install
