// The options of `vm run`, apart from the bus, so that tests can look at what they lead to.
#pragma once

#include "cli/exec_options.hpp"
#include "cli/vm_spec.hpp"

#include <string>

namespace banger::cli {

struct RunOptions {
    VmSpec spec;
    ExecOptions exec;
    std::string path; ///< of a workspace; empty: a bare sandbox
    std::string ready_timeout;
    bool remove = false;
    bool detach = false;

    void declare(CLI::App& app);
    /// Throws InvalidArgument for what contradicts itself.
    void check(bool has_command) const;
    /// The options of CreateVm, without op-id.
    bus::Variants create_request() const;
};

} // namespace banger::cli
