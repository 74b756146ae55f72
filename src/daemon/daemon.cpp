#include "daemon/daemon.hpp"

#include "base/file.hpp"
#include "base/log.hpp"
#include "bus/object_path.hpp"
#include "daemon/log_control.hpp"
#include "daemon/memory.hpp"

#include <systemd/sd-daemon.h>
#include <unistd.h>

namespace banger::daemon {

namespace {

constexpr std::chrono::milliseconds before_trim{1000};
constexpr std::chrono::milliseconds end_check{20};
constexpr std::chrono::milliseconds end_limit{10'000};

std::unique_ptr<sdbus::IConnection> connect() {
    return bus::call([] { return sdbus::createSessionBusConnection(); });
}

Store open_store() {
    auto store = Store::open(xdg_state_dir());
    if (!store.set_aside().empty())
        log::error("the database was damaged and is now " + store.set_aside() +
                   "; a new one is begun. VMs that it knew are not listed; their disks are kept in " +
                   xdg_data_dir() + "/vms");
    return store;
}

std::string data_folder() {
    auto folder = xdg_data_dir();
    make_directories(folder + "/vms");
    return folder;
}

} // namespace

Daemon::Daemon()
    : store_(open_store())
    , connection_(connect())
    , crew_(loop_)
    , jobs_(loop_, *connection_)
    , catalog_(*connection_, jobs_, crew_, data_folder())
    , vms_({loop_, *connection_, store_, jobs_, crew_, catalog_, data_folder(), ::getuid()})
    , manager_(*connection_, vms_, catalog_)
    , log_control_(serve_log_control(*connection_))
    , bus_driver_(*connection_) {
    catalog_.load();
    vms_.load();
    bus_driver_.on_client_gone([this](const std::string& name) { vms_.client_gone(name); });
    bus::call([&] { connection_->requestName(bus::ServiceName(bus::manager_service)); });
    source_ = std::make_unique<bus::GlibSource>(*connection_, [this] { end(); });
    crew_.on_idle([this] { trim_later(); });
    loop_.on_terminate([this] { end(); });
}

bool Daemon::run() {
    ::sd_notify(0, "READY=1"); // no-op without a service manager
    log::info("ready");
    loop_.run();
    log::info("ended");
    return ended_in_time_;
}

/// Nothing new begins; what is under way comes to an end first.
void Daemon::end() {
    if (ending_.active())
        return;
    vms_.shut_down();
    jobs_.request_stop();
    ending_ = Timer(end_check, [this] {
        if (vms_.idle())
            loop_.quit();
        return true;
    });
    patience_ = Timer(end_limit, [this] {
        log::warning("ended without waiting for what is under way; the next start mends it");
        ended_in_time_ = false;
        loop_.quit();
        return false;
    });
}

void Daemon::trim_later() {
    trim_ = Timer(before_trim, [] {
        give_back_memory();
        return false;
    });
}

} // namespace banger::daemon
