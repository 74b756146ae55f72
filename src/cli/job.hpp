// Waiting for a job's end.
#pragma once

#include "cli/bus_wait.hpp"

#include <string>

namespace banger::cli {

/// Waits, without a time limit, until the job at `path` has ended, and returns its result or throws its
/// error. Shows its steps on standard error, if that is a terminal. The first signal cancels the job, and
/// once that has ended Interrupted is thrown; the second throws it at once.
bus::Variants wait_for_job(Manager& manager, const std::string& path, const SignalScope& signals);

/// The text under `key` of a job's result; throws Internal when there is none.
std::string result_text(const bus::Variants& result, const std::string& key);

} // namespace banger::cli
