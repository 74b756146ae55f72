// Starting and stopping.
#pragma once

#include "instance/status.hpp"
#include "instance/uplink.hpp"

#include <string>

namespace banger::instance {

struct StartOptions {
    std::string name = "default";
    std::string state; ///< --state; empty: the default folder
    Network network = Network::Auto;
    bool polkit = true;
};

/// What has to be said, once, wherever an instance is started.
extern const char* const warning_text;

struct Started {
    Status status;
    bool fresh = false; ///< false: it ran already
};

/// Makes sure that the instance runs and answers. Throws FailedPrecondition when it runs but is degraded, or
/// with another state folder than asked for.
Started start(const StartOptions& options);

struct StopOptions {
    std::string name = "default";
    std::string state;
    bool purge = false; ///< remove the state too
};

/// Ends it and removes whatever is left of it, also after parts of it were killed. True when there was
/// something to end.
bool stop(const StopOptions& options);

/// The part of stop() that both need: ends the recorded processes and removes the run folder. For holders of
/// the lock.
bool clear_remains(const Layout& layout);

} // namespace banger::instance
