// "Did you mean …?"
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace banger::cli {

/// The candidate that `word` most likely meant: the fewest single-letter changes, insertions, removals and
/// swaps of neighbours (optimal string alignment distance), at most a third of its length (but always one or
/// two for short words), or one that it begins. Empty when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

} // namespace banger::cli
