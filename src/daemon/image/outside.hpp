// What the daemon's own unit forbids it, and its service manager may do for it: programs that make namespaces
// with subordinate ids. newuidmap(1) is set-uid, and the daemon has given up to gain privileges
// (NoNewPrivileges=, RestrictNamespaces=).
#pragma once

#include "base/process.hpp"

#include <optional>

namespace banger {

struct Outside {
    ProcessSpec spec;
    /// Ends it, with all its children, and waits for that: killing `spec` alone would leave it running. Empty
    /// where `spec` is the program itself.
    std::optional<ProcessSpec> end;
};

/// `spec` as a transient service of the user's manager (systemd-run(1)), with the same standard streams, that
/// ends with the daemon's own unit; as it is where nothing restricts this process.
Outside outside(ProcessSpec spec);
/// The same, as if restricted or not, for tests. `name` of the unit.
Outside outside(ProcessSpec spec, const std::string& name);

} // namespace banger
