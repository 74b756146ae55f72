// Carrying a plan out.
#pragma once

#include "install/plan.hpp"

#include <functional>

namespace banger::install {

/// Writes and removes what the plan says, each file atomically and durably. First of all the metadata is
/// written with the hashes of what there was and of what there will be, so that an install that is cut off
/// can be taken up by the next one; then, when all files are in place, `tell` is called, for others to read
/// them; last of all the metadata is written as it then is. A failure before `tell` takes all of it back; one
/// of `tell` itself leaves the metadata saying that not all is done. Nothing to change: nothing is written,
/// and `tell` is not called.
void apply(const Tree& tree, const Plan& plan, const std::function<void()>& tell = {});

} // namespace banger::install
