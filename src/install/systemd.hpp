// The system's service manager and message bus, told what has changed and asked what runs:
// org.freedesktop.systemd1 and org.freedesktop.DBus.
#pragma once

#include "bus/compat.hpp"

#include <memory>
#include <string>
#include <vector>

namespace banger::install {

/// Whether this system was booted with systemd (sd_booted(3)).
bool booted_with_systemd();

/// Whether a unit is there, and what it does.
struct UnitState {
    std::string load;   ///< LoadState: loaded, not-found, masked …
    std::string active; ///< ActiveState: active, inactive, failed …
};

/// A connection to the system bus. All calls block. Each throws Error.
class Systemd {
public:
    Systemd();
    ~Systemd();

    /// Units are read anew (Manager.Reload).
    void reload();
    /// Bus policies and activation files are read anew (DBus.ReloadConfig).
    void reload_bus();
    /// The service managers of these users read their units anew; those that do not run need not.
    void reload_users(const std::vector<unsigned>& uids);

    UnitState state(const std::string& unit);
    /// Start, stop, restart (only if it runs); each waits for the end of the job.
    void start(const std::string& unit);
    void stop(const std::string& unit);
    void try_restart(const std::string& unit);

private:
    struct Jobs;
    void run_job(const char* method, const std::string& unit);

    std::unique_ptr<sdbus::IConnection> connection_;
    std::unique_ptr<sdbus::IProxy> manager_;
    std::unique_ptr<Jobs> jobs_;
};

} // namespace banger::install
