// Owners' daemons, which are services of their users' managers.
#pragma once

#include <string>
#include <vector>

namespace banger::install {

/// Asks the daemons of this user to end (SIGTERM), by the control group of their unit, and waits for it, ten
/// seconds at most. The number of those that ended. The session bus starts a daemon again when it is called.
size_t end_daemons(unsigned uid);

} // namespace banger::install
