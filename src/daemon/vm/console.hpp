// What a guest wrote on its console.
#pragma once

#include <string>
#include <string_view>

namespace banger::daemon {

/// The last lines of a console log, safe to print; empty when there is none.
std::string console_tail(const std::string& path, size_t lines = 15);
/// The same of a text.
std::string last_lines(std::string_view text, size_t lines);

/// The last 8 KiB, safe to print; empty when there is none.
std::string console_end(const std::string& path);

} // namespace banger::daemon
