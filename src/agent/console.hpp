// The agent's words on the guest's console, which the host keeps and shows when a boot fails.
#pragma once

#include <string_view>

namespace banger::agent {

/// One line `banger-agent: …` on standard error.
void say(std::string_view text) noexcept;

} // namespace banger::agent
