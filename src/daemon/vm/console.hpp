// What a guest wrote on its console.
#pragma once

#include <string>
#include <string_view>

namespace banger::daemon {

/// The last lines of a console log, safe to print; empty when there is none.
std::string console_tail(const std::string& path, size_t lines = 15);
/// The same of a text.
std::string last_lines(std::string_view text, size_t lines);

/// Whether the kernel's last words (kernel/reboot.c: "reboot: Power down", "reboot: Restarting system",
/// "reboot: System halted") are near the end of the log: then the VMM did not just die.
bool guest_ended_itself(const std::string& console_path);

} // namespace banger::daemon
