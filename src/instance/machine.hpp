// The machine that an instance plays: its mounts, devices, accounts and files. Called by PID 1 of new PID,
// mount, network, IPC and UTS namespaces.
#pragma once

#include "instance/layout.hpp"

#include <string>
#include <vector>

namespace banger::instance {

/// What `start` hands to the supervisor.
struct Plan {
    Layout layout;
    std::string bindir;                 ///< of the programs, on the host
    bool uplink = false;                ///< the network has a way out
    bool polkit = true;                 ///< run polkitd
    std::vector<std::string> passed_on; ///< "NAME=value" for all services
};

/// Where the log folder is seen inside: the state folder itself is out of sight, or read-only.
inline constexpr const char* inner_logs = "/run/banger-log";

/// Folders on the host, made before the namespaces: run, state with home, tmp and log. Refuses a home that is
/// not the owner's.
void prepare_folders(const Layout& layout);

/// Turns the calling process's namespaces into the machine. Returns the folder of the programs as seen
/// inside, which is another one where the accounts cannot reach the host's.
std::string set_up_machine(const Plan& plan);

} // namespace banger::instance
