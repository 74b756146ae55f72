// The log files of an instance's services, which all append.
#pragma once

#include <string>

namespace banger::instance {

/// The last 4 KiB of a log, or nothing.
std::string log_tail(const std::string& path);
/// Each file in `folder` that passed 16 MiB is emptied, its last MiB kept beside it as NAME.old. A writer
/// that appends is not disturbed; what it writes between the copy and the cut is lost.
void trim_logs(const std::string& folder) noexcept;

} // namespace banger::instance
