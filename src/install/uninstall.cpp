#include "base/error.hpp"
#include "base/file.hpp"
#include "install/accounts.hpp"
#include "install/daemons.hpp"
#include "install/install.hpp"
#include "install/lock.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>

namespace banger::install {

namespace {

constexpr const char* runtime_folder = "/run/banger";
constexpr const char* state_folder = "/var/lib/banger";
constexpr const char* slice_unit = "banger.slice";

/// Where an owner's things are, below the home, with the defaults of the XDG base directory specification.
constexpr const char* data_folders[] = {"/.local/share/banger", "/.local/state/banger", "/.cache/banger",
                                        "/.config/banger"};

std::optional<Metadata> read_installed(const Tree& tree, bool purge) {
    try {
        return read_metadata(tree.at(metadata_path));
    } catch (const Error& error) {
        if (error.code() == ErrorCode::NotFound)
            return std::nullopt;
        if (!purge)
            throw;
        return std::nullopt; // the rest goes all the same
    }
}

void refuse_running(const std::vector<KnownVm>& vms) {
    std::string list;
    for (const auto& vm : vms)
        if (vm.running)
            list += (list.empty() ? "" : "\n") + vm.vm + " of uid " + std::to_string(vm.uid);
    if (!list.empty())
        throw Error(ErrorCode::FailedPrecondition, "virtual machines are running",
                    "let their owners stop them (`banger vm stop`), or end them now with --force")
            .with_details(list);
}

/// Of this uninstall, or of one that was cut off.
std::vector<Owner> all_owners(const Metadata& metadata) {
    auto owners = metadata.leaving;
    for (const auto& owner : metadata.owners)
        if (std::none_of(owners.begin(), owners.end(), [&](const Owner& other) {
                return other.uid == owner.uid || other.name == owner.name;
            }))
            owners.push_back(owner);
    return owners;
}

/// First of all nobody may call the helper any more; a rerun after a cut finds all of it still there.
void close_to_owners(const Tree& tree, Metadata& metadata) {
    metadata.leaving = all_owners(metadata);
    metadata.owners.clear();
    tree.remove_unfinished(metadata_path);
    tree.write(metadata_path, render_metadata(metadata), 0644);
}

void end_services(const Metadata& metadata, UninstallReport& report) {
    for (const auto& owner : metadata.leaving)
        end_daemons(owner.uid);
    Systemd systemd;
    systemd.stop(helper_unit_name);
    const auto vms = known_vms();
    report.ended_vms =
        static_cast<size_t>(std::count_if(vms.begin(), vms.end(), [](const auto& vm) { return vm.running; }));
    remove_everything();
    systemd.stop(slice_unit);
}

void remove_files(const Tree& tree, const Metadata& metadata, bool purge, UninstallReport& report) {
    // In the opposite order: what lets owners in goes first.
    for (auto record = metadata.files.rbegin(); record != metadata.files.rend(); ++record) {
        for (const auto& path : {record->path, aside_path(record->path)})
            tree.remove_unfinished(path);
        const auto current = record->written ? tree.look(record->path) : std::nullopt;
        if (!current)
            continue;
        if (!purge && !(current->regular && is_as_recorded(*record, current->content))) {
            report.kept.push_back(record->path);
            continue;
        }
        tree.remove(record->path);
        report.removed.push_back(record->path);
    }
}

void remove_folder_tree(const Tree& tree, const char* path, UninstallReport& report) {
    struct stat status{};
    if (::lstat(tree.at(path).c_str(), &status) < 0)
        return;
    remove_tree(tree.at(path));
    report.removed.emplace_back(path);
}

void reload(const Metadata& metadata) {
    Systemd systemd;
    systemd.reload();
    systemd.reload_bus();
    std::vector<unsigned> uids;
    for (const auto& owner : metadata.leaving)
        uids.push_back(owner.uid);
    systemd.reload_users(uids);
}

std::vector<std::string> data_of(const Tree& tree, const Metadata& metadata) {
    std::vector<std::string> folders;
    std::error_code trouble;
    for (const auto& owner : all_owners(metadata))
        for (const auto* folder : data_folders)
            if (const auto path = home_of(tree, owner.name) + folder;
                std::filesystem::is_directory(tree.at(path), trouble))
                folders.push_back(path);
    return folders;
}

} // namespace

UninstallReport uninstall(const UninstallOptions& options) {
    require_root("banger system uninstall");
    ::umask(022);
    const Tree tree(options.root);
    const bool live = tree.is_system() && booted_with_systemd();
    const bool configured = std::filesystem::exists(tree.at(configuration_folder)); // the lock makes it
    const SystemLock lock(tree);
    UninstallReport report;
    const auto installed = read_installed(tree, options.purge);
    report.was_installed = installed.has_value();
    auto metadata = installed.value_or(Metadata{});
    if (tree.is_system() && !options.force)
        refuse_running(known_vms());
    report.data = data_of(tree, metadata);
    if (installed)
        close_to_owners(tree, metadata);
    if (live)
        end_services(metadata, report);
    if (installed)
        remove_files(tree, metadata, options.purge, report);
    if (options.purge)
        for (const auto* folder : {runtime_folder, state_folder})
            remove_folder_tree(tree, folder, report);
    if (live && installed)
        reload(metadata);
    // The last: until then a rerun knows what is to be done.
    tree.remove(metadata_path);
    if (installed)
        report.removed.emplace_back(metadata_path);
    if (options.purge && configured)
        remove_folder_tree(tree, configuration_folder, report);
    return report;
}

} // namespace banger::install
