// One verb on several things: the daemon's part.
#pragma once

#include "cli/command.hpp"
#include "cli/targets.hpp"

#include <functional>
#include <string>

namespace banger::cli {

/// Starts the job of one VM: a method of the manager.
using StartJob =
    std::function<std::string(ManagerProxy& proxy, const std::string& name, const bus::Variants& options)>;

/// Starts a job for each, all of them before waiting for the first, so that they run side by side; `options`
/// are those besides op-id.
int run_jobs(const Invocation& invocation, const TargetWords& words, const Verb& verb,
             const bus::Variants& options, const StartJob& start);

/// Calls a method of the manager for each.
using CallOne =
    std::function<void(ManagerProxy& proxy, const std::string& name, const bus::Variants& options)>;
int call_each(const Invocation& invocation, const TargetWords& words, const Verb& verb,
              const bus::Variants& options, const CallOne& call);

} // namespace banger::cli
