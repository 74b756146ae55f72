// The buses and polkitd of an instance: their configuration, and what to run, as values.
#pragma once

#include "base/process.hpp"
#include "instance/accounts.hpp"
#include "instance/machine.hpp"

#include <string>
#include <vector>

namespace banger::instance {

/// dbus-daemon(1) configuration of the two buses.
std::string system_bus_configuration(const Layout& layout);
std::string session_bus_configuration(const Layout& layout);

/// Writes both configurations, their policy and their activation files into the run folder. `bindir` as seen
/// inside.
void write_bus_files(const Layout& layout, const std::string& bindir);

/// The environment of a user's programs inside: HOME, PATH, the buses' addresses and so on.
std::vector<std::string> user_environment(const Layout& layout, const User& user, const std::string& bindir);

/// A bus; it prints a line to `ready_fd` when it listens.
ProcessSpec system_bus_spec(const Plan& plan, const std::string& bindir, int ready_fd, int log_fd);
ProcessSpec session_bus_spec(const Plan& plan, const std::string& bindir, int ready_fd, int log_fd);
ProcessSpec polkitd_spec(const Plan& plan, const std::string& bindir, int log_fd);

/// Throws Unavailable, naming the package, when a program that every instance needs is missing.
void check_programs(bool polkit);

} // namespace banger::instance
