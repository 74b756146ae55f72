// What `banger doctor` tells.
#pragma once

#include "cli/output.hpp"
#include "doctor/doctor.hpp"

#include <string>

namespace banger::cli {

/// A line for each check, with what to do below it where there is something; then how many of each verdict.
std::string doctor_text(const doctor::Checks& checks);
/// {"verdict": …, "checks": [{"id", "verdict", "finding", "advice", "fixable"}]}
Json doctor_json(const doctor::Checks& checks);

} // namespace banger::cli
