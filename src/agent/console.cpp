#include "agent/console.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <array>

namespace banger::agent {

void say(std::string_view text) noexcept {
    constexpr std::string_view prefix = "banger-agent: ";
    std::array<iovec, 3> parts{{{const_cast<char*>(prefix.data()), prefix.size()},
                                {const_cast<char*>(text.data()), text.size()},
                                {const_cast<char*>("\n"), 1}}};
    if (::writev(STDERR_FILENO, parts.data(), static_cast<int>(parts.size())) < 0)
        return; // no console: nobody to tell
}

} // namespace banger::agent
