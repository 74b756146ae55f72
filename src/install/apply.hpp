// Carrying a plan out.
#pragma once

#include "install/plan.hpp"

namespace banger::install {

/// Writes and removes what the plan says, each file atomically and durably. First of all the metadata is
/// written with the hashes of what is there and of what will be, so that an install that is cut off can be
/// taken up by the next one, and last of all the metadata as it then is. On failure all of it is taken back.
/// Nothing to change: nothing is written.
void apply(const Tree& tree, const Plan& plan);

} // namespace banger::install
