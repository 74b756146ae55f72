// How a command runs in a guest: the options that `vm run` and `vm exec` share.
#pragma once

#include "agent/protocol.hpp"

#include <CLI/CLI.hpp>

#include <optional>
#include <string>
#include <vector>

namespace banger::cli {

/// Which of the standard streams are terminals.
struct Terminals {
    bool in = false;
    bool out = false;

    static Terminals of_process();
    bool both() const noexcept { return in && out; }
};

struct ExecOptions {
    std::vector<std::string> env;
    std::string workdir;
    std::string user;
    std::string timeout;
    bool tty = false;
    bool no_tty = false;
    bool interactive = false; ///< standard input is passed on without it, too

    void declare(CLI::App& app);
    /// Whether any of them was given.
    bool given() const;
    /// The request for `command`; a login shell when there is none, for which a terminal is needed. The
    /// terminal's size is not in it. `usage` shows how a command is given, for the error. Throws
    /// InvalidArgument.
    agent::ExecRequest request(const std::optional<std::vector<std::string>>& command, Terminals terminals,
                               const std::string& usage) const;
};

/// Runs it on `fd`, opened early to the guest's agent, with this process's streams and signals; its exit
/// status.
int exec_in_guest(int fd, agent::ExecRequest request, Terminals terminals, const std::string& op_id);

} // namespace banger::cli
