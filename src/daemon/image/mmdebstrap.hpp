// mmdebstrap as a child: it installs a distribution's packages and gives the result as a tar on its standard
// output.
#pragma once

#include "base/error.hpp"
#include "base/process.hpp"
#include "daemon/image/progress.hpp"

#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace banger {

/// How mmdebstrap gets to be root over the files (mmdebstrap(1), --mode).
enum class BootstrapMode {
    Root,       ///< the caller is root
    Unshare,    ///< a user namespace with the caller's subordinate ids
    Fakechroot, ///< preloaded libraries that pretend; slower, and not every package's scripts work in it
};

/// What decides the mode; a value, so that tests can make one.
struct BootstrapHost {
    bool is_root = false;
    std::string user;   ///< the caller's account name; subordinate ids are granted by name
    std::string subuid; ///< content of /etc/subuid, /etc/subgid
    std::string subgid;
    bool has_newuidmap = false;
    bool has_fakechroot = false; ///< with fakeroot

    static BootstrapHost look();
};

/// Throws FailedPrecondition, saying what an administrator has to do, when no mode works.
BootstrapMode choose_mode(const BootstrapHost& host);

/// What to install.
struct Bootstrap {
    std::string suite;                ///< "bookworm"
    std::vector<std::string> include; ///< package names beyond those that are essential
    std::string mirror;               ///< a URL; empty: the distribution's own
};

/// Throws InvalidArgument for a suite, package or mirror that could be taken for anything else.
void check_bootstrap(const Bootstrap& what);
/// The command. `scratch` is where the tree is built before it becomes a tar.
ProcessSpec bootstrap_command(const Bootstrap& what, BootstrapMode mode, const std::string& scratch);

/// A message of mmdebstrap ("I: extracting archives...") as a share of the whole build; negative for other
/// lines.
double bootstrap_fraction(std::string_view line);
/// Why it failed, from the end of its standard error.
Error bootstrap_error(const std::string& errors, const Bootstrap& what);

/// The running child. Ends it, and waits for its cleaning up, when dropped early.
class BootstrapRun {
public:
    BootstrapRun(ProcessSpec command, Progress progress, std::stop_token stop);
    BootstrapRun(const BootstrapRun&) = delete;
    ~BootstrapRun();

    /// The next bytes of the tar; 0 at its end. Passes messages on as progress meanwhile. Throws Cancelled.
    size_t read(char* buffer, size_t size);
    /// Waits for its end. Returns the exit status; errors() then is complete.
    int wait();
    const std::string& errors() const noexcept { return errors_; }

private:
    void take_messages();
    void tell_lines();

    Progress progress_;
    std::stop_token stop_;
    OwnedFd output_;
    OwnedFd messages_;
    Child child_;
    bool running_ = true;
    std::optional<ProcessSpec> end_; ///< where it is no child of ours
    std::string errors_;
    std::string line_;
};

} // namespace banger
