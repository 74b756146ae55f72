// Streams to a VM's agent.
#pragma once

#include "base/fd.hpp"
#include "cli/manager.hpp"

#include <string>

namespace banger::cli {

/// A new stream to the agent of the VM with this name or id; one request goes over each.
OwnedFd open_session(Manager& manager, const std::string& vm);
/// The same, without waiting for the guest: the VMM's line `OK <number>` is still to come.
OwnedFd open_session_early(Manager& manager, const std::string& vm);

} // namespace banger::cli
