// QEMU's command line, and the guest kernel's, as values that tests can look at.
#pragma once

#include "qemu/config.hpp"
#include "qemu/host.hpp"

#include <map>
#include <string>
#include <vector>

namespace banger::qemu {

/// What a guest is plugged into. Descriptors are the numbers that QEMU inherits.
struct Plumbing {
    std::string id; ///< for QEMU's process name
    Accelerator accelerator = Accelerator::Tcg;
    uint64_t tsc_khz = 0; ///< the host's; 0: unknown
    bool sandbox = true;
    int qmp_fd = -1;
    int host_port_fd = -1;              ///< org.banger.host; -1: no vsock
    std::vector<int> session_port_fds;  ///< org.banger.session.0 …
    std::map<std::string, int> tap_fds; ///< by host_dev_name
    /// Addresses for interfaces that were given none, by iface_id.
    std::map<std::string, std::string> macs;
};

/// The guest kernel's command line: what the API was given (or Firecracker's default), and what is needed and
/// missing there. docs/banger-qemu.md lists the additions.
std::string kernel_command_line(const VmConfig& config, const Plumbing& plumbing);

/// QEMU's arguments, without its name. The configuration has been checked.
std::vector<std::string> qemu_arguments(const VmConfig& config, const Plumbing& plumbing);

/// "02:…": locally administered, random.
std::string random_mac();

} // namespace banger::qemu
