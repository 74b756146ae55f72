// The agent as the first process of a guest.
#pragma once

namespace banger::agent {

/// Boots the guest: never returns. A failure is printed on the console, and ends the machine.
/// `name` is argv[0], for process listings.
[[noreturn]] void boot(char* name);

} // namespace banger::agent
