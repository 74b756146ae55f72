// The agent's own loop: accepts sessions and gives each a process of its own.
#pragma once

#include "agent/cmdline.hpp"
#include "agent/devices.hpp"
#include "agent/session.hpp"

#include <string>

namespace banger::agent {

/// Serves sessions on a new unix socket, for tests; returns only by an Error.
[[noreturn]] void run_on_socket(const std::string& path);

/// Serves sessions in a guest, over what the command line says, and tells the host that the guest is ready.
/// Returns only by an Error.
[[noreturn]] void run_in_guest(const BootConfig& config, SessionContext context, const DeviceEvents& events);

} // namespace banger::agent
