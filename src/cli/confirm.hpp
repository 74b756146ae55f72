// "Go on?"
#pragma once

#include <string>

namespace banger::cli {

/// Tells what is about to happen and asks whether to go on. Throws Cancelled when that is not wanted, and
/// InvalidArgument when there is no terminal to ask on.
void confirm(const std::string& what);

} // namespace banger::cli
