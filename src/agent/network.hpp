// The guest's network, as the command line says it.
#pragma once

#include "agent/cmdline.hpp"

#include <string>
#include <string_view>

namespace banger::agent {

/// Brings up lo, and eth0 with its address and default route. Throws Error naming the step.
void configure_network(const BootConfig& config);

/// Sets the hostname and writes, into the present root, /etc/hostname, /etc/hosts and (when a name server was
/// given) /etc/resolv.conf. Failures are printed: a guest without them still runs.
void write_identity(const BootConfig& config) noexcept;

/// The text of /etc/hosts in which `hostname` is 127.0.1.1, and localhost is there: the lines of `before` but
/// ours.
std::string hosts_with(std::string_view before, std::string_view hostname);

} // namespace banger::agent
