// One verb on several things.
#pragma once

#include "cli/command.hpp"
#include "cli/manager.hpp"

#include <functional>
#include <string>
#include <vector>

namespace banger::cli {

/// "30s" as a value of a `…-ms` option.
sdbus::Variant milliseconds_option(const std::string& text, std::string_view option);

/// Starts the job of one VM: a method of the manager.
using StartJob =
    std::function<std::string(ManagerProxy& proxy, const std::string& name, const bus::Variants& options)>;

/// Starts a job for each name, all of them before waiting for the first, so that they run side by side;
/// `options` are those besides op-id. Reports each failure but the last on standard error, and throws the
/// last one.
int run_jobs(const Invocation& invocation, const std::vector<std::string>& names,
             const bus::Variants& options, const StartJob& start);

/// Calls `body(name)` for each; failures as above.
void for_each_name(const Invocation& invocation, const std::vector<std::string>& names,
                   const std::function<void(const std::string& name)>& body);

} // namespace banger::cli
