// What the system install wrote down about itself (/etc/banger/install.toml), and the files that follow from
// it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace banger::install {

/// An account whose daemon may ask the helper for things.
struct Owner {
    std::string name;
    unsigned uid = 0; ///< never 0: a VMM runs as its owner
    unsigned gid = 0;
    bool operator==(const Owner&) const = default;
};

/// Where the installed programs are. Each is an absolute path.
struct Paths {
    std::string bindir = "/usr/bin"; ///< holds banger
    std::string firecracker;         ///< the VMM to launch; empty: looked for in the usual folders
    std::string jailer;              ///< the same for its jailer
    bool operator==(const Paths&) const = default;
};

/// A file that belongs to the installation, as it was when the install ended.
struct InstalledFile {
    std::string path;
    std::string sha256; ///< 64 lowercase hex digits
    /// What was there before, while an install is under way: who finds that hash has not found a change by
    /// hand, but an install that was cut off. Empty otherwise.
    std::string previous{};
    /// False for what the install found and did not write, such as the programs: checked for drift, and never
    /// removed.
    bool written = true;
    /// The same for a file of unknown origin that the install puts aside: not ours to remove.
    std::string foreign{};

    /// An install that wrote this record did not come to its end.
    bool under_way() const noexcept { return !previous.empty() || !foreign.empty(); }
    bool operator==(const InstalledFile&) const = default;
};

struct Metadata {
    std::string version; ///< of banger, that wrote it
    std::vector<Owner> owners;
    Paths paths;
    std::vector<InstalledFile> files; ///< in the order of writing
    /// Who were owners when an uninstall began, which is under way or was cut off: nobody's owners any more.
    std::vector<Owner> leaving{};

    /// The record of the file at `path`, or null.
    const InstalledFile* file(std::string_view path) const noexcept;
    /// The registered owner with this uid, or null.
    const Owner* owner(unsigned uid) const noexcept;
    bool operator==(const Metadata&) const = default;
};

inline constexpr const char* metadata_path = "/etc/banger/install.toml";

/// Throws InvalidArgument unless every owner has a plain account name and a uid of its own that is no system
/// extreme (0, 65534, -1), every path is absolute, and every hash a hash. The renderers below call it first:
/// nothing unchecked reaches a policy file.
void check(const Metadata& metadata);

/// Reads a file that must be regular, of root, and writable by root alone: throws NotFound when there is
/// none, FailedPrecondition when it is not so, or not what render_metadata() writes. Unknown keys are
/// refused.
Metadata read_metadata(const std::string& path = metadata_path);
/// The parsing of it alone; `origin` names the file in errors.
Metadata parse_metadata(std::string_view text, const std::string& origin = metadata_path);
/// TOML that parse_metadata() reads back to an equal value.
std::string render_metadata(const Metadata& metadata);

/// The system bus policy (dbus-daemon(1), "CONFIGURATION FILE"): nobody may call the helper, and only root
/// own its name; each registered owner may send to its three interfaces and to Introspectable, Peer and
/// Properties.
std::string render_bus_policy(const Metadata& metadata);
/// The polkit rule (polkit(8)) that lets a registered owner's daemon do what the helper offers without a
/// prompt. Its name
/// (`polkit_rules_name`) sorts late, so an administrator's rule comes before it and wins.
std::string render_polkit_rules(const Metadata& metadata);
/// The actions of the helper; the same for every install.
std::string render_polkit_policy();
/// systemd's units for the programs in `bindir`: of the root helper (system), of an owner's daemon (user),
/// and the slice of all VMMs; and what systemd-tmpfiles(8) makes and clears at boot.
std::string render_helper_unit(const std::string& bindir);
std::string render_daemon_unit(const std::string& bindir);
std::string render_slice();
std::string render_tmpfiles();
/// D-Bus activation files for the programs in `bindir`: of the helper on the system bus, of the daemon on a
/// session bus. `systemd`: activation goes through the units banger-helper.service and banger-daemon.service.
std::string render_helper_activation(const std::string& bindir, bool systemd);
std::string render_manager_activation(const std::string& bindir, bool systemd);

inline constexpr const char* bus_policy_name = "org.banger.Helper1.conf";
inline constexpr const char* polkit_rules_name = "60-banger.rules";
inline constexpr const char* polkit_policy_name = "org.banger.helper.policy";
inline constexpr const char* helper_activation_name = "org.banger.Helper1.service";
inline constexpr const char* manager_activation_name = "org.banger.Manager1.service";
inline constexpr const char* helper_unit_name = "banger-helper.service";
inline constexpr const char* daemon_unit_name = "banger-daemon.service";
inline constexpr const char* slice_name = "banger.slice";
inline constexpr const char* tmpfiles_name = "banger.conf";

} // namespace banger::install
