// A VMM's jail: its folder below /var/lib/banger/jails, the bubblewrap command that makes it a root, and its
// removal.
#pragma once

#include "base/fd.hpp"
#include "base/process.hpp"
#include "helper/requests.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace banger::helper {

inline constexpr const char* state_folder = "/var/lib/banger";
inline constexpr const char* jails_folder = "/var/lib/banger/jails";
inline constexpr const char* bubblewrap = "/usr/bin/bwrap";

/// "<uid>-<vm>".
std::string jail_name(uint32_t uid, const VmId& vm);
/// The folder that is /run in the jail, and what is in it: where the owner finds the sockets.
std::string jail_run_path(const std::string& name);

/// What a jail is made of, as a value. Descriptors are borrowed.
struct JailSpec {
    std::string name;
    std::string owner; ///< the account's name
    unsigned uid = 0;
    unsigned gid = 0;
    std::string vm;
    uint32_t vcpus = 1;      ///< for the limits, where there are any
    uint32_t memory_mib = 0; ///< the guest's
    int program_fd = -1;     ///< the VMM's executable
    int jailer_fd = -1;      ///< Firecracker's jailer; -1: the VMM is banger-qemu, in bubblewrap's jail
    int run_fd = -1;         ///< the folder that becomes /run
    int kernel_fd = -1;      ///< -1: none; the same for initrd
    int initrd_fd = -1;
    struct DriveFd {
        std::string name;
        bool read_only;
        int fd;
    };
    std::vector<DriveFd> drives;
    std::string tap; ///< empty: none
    int tap_fd = -1;
    int output_fd = -1; ///< standard output and error
    bool null = false;
    std::string null_mode;
    // The talk with the helper while the jail comes up: see launcher.hpp.
    int info_fd = -1;
    int block_fd = -1;
    int go_fd = -1;
};

/// bubblewrap's command for it. Runs as the owner, in user, network, IPC and UTS namespaces of its own, with
/// no capability and no way to make further user namespaces; sees /usr (read-only), its files, its /run, a
/// minimal /dev; nothing else. Every file comes by descriptor (--bind-fd), and bubblewrap checks that what it
/// bound is what the descriptor holds.
ProcessSpec jail_command(const JailSpec& spec);

/// A jail's folder, made anew: root's, 0711; in it `run`, the owner's, 0700. Returns `run` opened with
/// O_PATH.
OwnedFd make_jail_folder(const std::string& name, unsigned uid, unsigned gid);
/// Removes it, with all that the owner put there: below the folder only, following no symlink, entering no
/// mount, whatever the owner does meanwhile. FailedPrecondition when the folder itself is a symlink or holds
/// a mount; Busy when the owner refills it for more than ten seconds. Nothing there: nothing done. Blocks.
void remove_jail_folder(const std::string& name);
/// Names of all jail folders.
std::vector<std::string> jail_folders();

/// Kills every process whose /run is this jail's, until there is none: whatever the VMM left behind cannot
/// have got rid of that mount. Timeout when some remain after five seconds. Blocks.
void kill_jail_members(uint32_t uid, const std::string& name);

} // namespace banger::helper
