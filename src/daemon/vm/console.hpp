// What a guest wrote on its console.
#pragma once

#include "base/fd.hpp"
#include "daemon/vm/vm.hpp"

#include <string>
#include <string_view>

namespace banger::daemon {

/// The last lines of a console log, safe to print; empty when there is none.
std::string console_tail(const std::string& path, size_t lines = 15);
/// The same of a text.
std::string last_lines(std::string_view text, size_t lines);

/// Makes room: above 8 MiB, the end of the log moves to the place of the run before's, and the log begins
/// anew. It is written with O_APPEND, so that the VMM notices nothing.
void bound_console(const VmPaths& paths);
/// A new run: the log becomes the one of the run before. Returns the descriptor to write the new one with.
OwnedFd begin_console(const VmPaths& paths);

/// The last 8 KiB, safe to print; empty when there is none.
std::string console_end(const std::string& path);

} // namespace banger::daemon
