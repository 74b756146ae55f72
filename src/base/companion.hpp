// Where banger's other programs are: banger-agent, banger-jail, banger-qemu.
#pragma once

#include <string>
#include <string_view>

namespace banger {

/// The absolute path of the companion program `name` ("banger-agent"): beside the running program, as in a
/// build tree, or in the install tree's libexec folder, found relative to it. Throws Unavailable when it is
/// in neither place.
std::string companion_path(std::string_view name);

/// The path of the module of a role ("helper"), by its whole path: where an install keeps modules as seen
/// from its bin folder, or where a build tree does. It need not exist.
std::string module_path(const std::string& role);

/// The folder that holds the running program, by /proc/self/exe (proc(5)).
std::string program_directory();

} // namespace banger
