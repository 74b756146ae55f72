// The owner daemon: what it consists of, and how it begins and ends.
#pragma once

#include "base/loop.hpp"
#include "bus/caller.hpp"
#include "bus/glib_source.hpp"
#include "daemon/catalog.hpp"
#include "daemon/crew.hpp"
#include "daemon/job/jobs.hpp"
#include "daemon/manager.hpp"
#include "daemon/store/store.hpp"
#include "daemon/vm/vms.hpp"

#include <memory>

namespace banger::daemon {

class Daemon {
public:
    /// Opens the database, connects to the session bus, puts everything on it, and takes the name. Throws
    /// Error.
    Daemon();
    Daemon(const Daemon&) = delete;

    /// Serves until SIGTERM, SIGINT, or the end of the session bus. Then starts under way are taken back and
    /// ephemeral and tied VMs are ended; the others go on running. False when that was not done within ten
    /// seconds.
    bool run();

private:
    void end();
    void trim_later();

    Loop loop_;
    Store store_;
    std::unique_ptr<sdbus::IConnection> connection_;
    Crew crew_;
    Jobs jobs_;
    Catalog catalog_;
    Vms vms_;
    Manager manager_;
    std::unique_ptr<sdbus::IObject> log_control_;
    bus::BusDriver bus_driver_;
    std::unique_ptr<bus::GlibSource> source_;
    Timer trim_;
    Timer ending_;
    Timer patience_;
    bool ended_in_time_ = true;
};

} // namespace banger::daemon
