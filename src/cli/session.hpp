// Streams to a VM's agent.
#pragma once

#include "base/fd.hpp"
#include "cli/manager.hpp"

#include <string>

namespace banger::cli {

/// A new stream to the agent of the VM with this name or id; one request goes over each.
OwnedFd open_session(Manager& manager, const std::string& vm);

} // namespace banger::cli
