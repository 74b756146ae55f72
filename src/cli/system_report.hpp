// What the commands of `banger system` tell.
#pragma once

#include "cli/output.hpp"
#include "install/install.hpp"

#include <string>

namespace banger::cli {

std::string install_text(const install::InstallReport& report, bool dry_run);
Json install_json(const install::InstallReport& report);
std::string uninstall_text(const install::UninstallReport& report, bool purge);
Json uninstall_json(const install::UninstallReport& report);
std::string system_status_text(const install::StatusReport& report);
Json system_status_json(const install::StatusReport& report);

/// 0: installed and as it was left; 1: something is not; 3: not installed (the LSB's number for "not
/// running", as in systemctl(1)).
int system_status_exit(const install::StatusReport& report);

} // namespace banger::cli
