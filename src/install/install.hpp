// `banger system`: what root does to give the owners of a host their root helper, and to take it away.
#pragma once

#include "install/plan.hpp"
#include "install/removal.hpp"
#include "install/systemd.hpp"

#include <string>
#include <vector>

namespace banger::install {

struct InstallOptions {
    std::vector<std::string> owners; ///< the whole list; empty: as it was
    std::string root;                ///< another tree; nothing is reloaded or restarted then
    std::string firecracker;         ///< empty: as it was
    std::string jailer;              ///< empty: as it was
    bool overwrite = false;          ///< files that somebody changed, too
    bool dry_run = false;
};

struct InstallReport {
    Plan plan;
    std::vector<std::string> notes;    ///< what was reloaded and restarted
    std::vector<std::string> warnings; ///< for people
};

/// Checks all it can before it changes anything; a second run changes nothing. Throws NotAuthorized to all
/// but root, InvalidArgument, NotFound (an account), FailedPrecondition (programs that are not root's alone),
/// Unavailable (no systemd).
InstallReport install(const InstallOptions& options);

struct UninstallOptions {
    std::string root;
    bool purge =
        false; ///< also what belongs to no file of the install: /etc/banger, /var/lib/banger, /run/banger
    bool force = false; ///< although VMs run: they are killed
};

struct UninstallReport {
    bool was_installed = false;
    std::vector<std::string> removed; ///< paths
    std::vector<std::string> kept;    ///< files that somebody changed
    std::vector<std::string> data;    ///< folders of the owners that are left
    size_t ended_vms = 0;
};

/// Takes back what install() made, and whatever the helper gave out. Throws FailedPrecondition when VMs run
/// and `force` is not given.
UninstallReport uninstall(const UninstallOptions& options);

/// Restarts the helper, if it runs: VMs go on. With `daemons`, the owners' daemons are ended too; the bus
/// starts them again when they are called. What was done, for people.
std::vector<std::string> restart(bool daemons);

struct FileStatus {
    std::string path;
    std::string state; ///< ok, changed, missing, unreadable (to the caller)
};

struct StatusReport {
    bool installed = false;
    Metadata metadata;
    UnitState helper;
    std::vector<FileStatus> files; ///< that are not as the install left them
    std::vector<KnownVm> vms;      ///< only when root asks
    bool interrupted = false;      ///< an install was cut off
};

/// For anyone.
StatusReport status(const std::string& root);
/// The state of each file of the metadata.
std::vector<FileStatus> file_states(const Tree& tree, const Metadata& metadata);

/// Throws NotAuthorized, with what to type, unless root calls.
void require_root(const std::string& command);

} // namespace banger::install
