#include "install/systemd.hpp"

#include "base/error.hpp"
#include "bus/errors.hpp"

#include <systemd/sd-daemon.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <map>
#include <mutex>

namespace banger::install {

namespace {

constexpr const char* service = "org.freedesktop.systemd1";
constexpr const char* manager_path = "/org/freedesktop/systemd1";
constexpr const char* manager_interface = "org.freedesktop.systemd1.Manager";
constexpr const char* unit_interface = "org.freedesktop.systemd1.Unit";
constexpr const char* properties = "org.freedesktop.DBus.Properties";
constexpr auto patience = std::chrono::seconds(100); // TimeoutStopSec= is 90 s by default

std::unique_ptr<sdbus::IConnection> connect() {
    try {
        return sdbus::createSystemBusConnection();
    } catch (const sdbus::Error& error) {
        throw Error(ErrorCode::Unavailable, "cannot reach the system bus: " + std::string(error.getMessage()),
                    "is the service dbus running?");
    }
}

bool no_such_unit(const Error& error) {
    return error.code() == ErrorCode::NotFound || error.message().find("NoSuchUnit") != std::string::npos ||
           error.message().find("not loaded") != std::string::npos;
}

} // namespace

bool booted_with_systemd() {
    return ::sd_booted() > 0;
}

/// Results of jobs ("done", "failed" …) by object path, as JobRemoved tells them.
struct Systemd::Jobs {
    std::mutex mutex;
    std::condition_variable changed;
    std::map<std::string, std::string> results;

    void removed(const std::string& job, const std::string& result) {
        const std::scoped_lock lock(mutex);
        results[job] = result;
        changed.notify_all();
    }
    std::string wait(const std::string& job) {
        std::unique_lock lock(mutex);
        if (!changed.wait_for(lock, patience, [&] { return results.count(job) > 0; }))
            return "timeout";
        return results[job];
    }
};

Systemd::Systemd()
    : connection_(connect())
    , jobs_(std::make_unique<Jobs>()) {
    bus::call([&] {
        manager_ = sdbus::createProxy(*connection_, bus::ServiceName(service), bus::ObjectPath(manager_path));
        manager_->uponSignal("JobRemoved")
            .onInterface(manager_interface)
            .call([jobs = jobs_.get()](uint32_t, const sdbus::ObjectPath& job, const std::string&,
                                       const std::string& result) { jobs->removed(job, result); });
#if !BANGER_SDBUS_2
        manager_->finishRegistration();
#endif
        connection_->enterEventLoopAsync();
        manager_->callMethod("Subscribe").onInterface(manager_interface);
    });
}

Systemd::~Systemd() {
    connection_->leaveEventLoop();
    manager_.reset();
}

void Systemd::reload() {
    bus::call([&] { manager_->callMethod("Reload").onInterface(manager_interface).withTimeout(patience); });
}

void Systemd::reload_bus() {
    bus::call([&] {
        auto driver = sdbus::createProxy(*connection_, bus::ServiceName("org.freedesktop.DBus"),
                                         bus::ObjectPath("/org/freedesktop/DBus"));
        driver->callMethod("ReloadConfig").onInterface("org.freedesktop.DBus");
    });
}

void Systemd::reload_users(const std::vector<unsigned>& uids) {
    for (const auto uid : uids) {
        const auto unit = "user@" + std::to_string(uid) + ".service";
        if (state(unit).active != "active")
            continue;
        // A user's manager takes SIGHUP for daemon-reload (systemd(1), "SIGNALS").
        bus::call([&] {
            manager_->callMethod("KillUnit")
                .onInterface(manager_interface)
                .withArguments(unit, std::string("main"), int32_t{SIGHUP});
        });
    }
}

UnitState Systemd::state(const std::string& unit) {
    return bus::call([&] {
        sdbus::ObjectPath path;
        manager_->callMethod("LoadUnit")
            .onInterface(manager_interface)
            .withArguments(unit)
            .storeResultsTo(path);
        auto proxy = sdbus::createProxy(*connection_, bus::ServiceName(service), path);
        const auto get = [&](const char* name) {
            sdbus::Variant value;
            proxy->callMethod("Get")
                .onInterface(properties)
                .withArguments(std::string(unit_interface), std::string(name))
                .storeResultsTo(value);
            return value.get<std::string>();
        };
        return UnitState{get("LoadState"), get("ActiveState")};
    });
}

void Systemd::run_job(const char* method, const std::string& unit) {
    sdbus::ObjectPath job;
    try {
        bus::call([&] {
            manager_->callMethod(method)
                .onInterface(manager_interface)
                .withTimeout(patience)
                .withArguments(unit, std::string("replace"))
                .storeResultsTo(job);
        });
    } catch (const Error& error) {
        if (std::string_view(method) == "StopUnit" && no_such_unit(error))
            return; // what is not there has stopped
        throw;
    }
    if (const auto result = jobs_->wait(job); result != "done" && result != "skipped")
        throw Error(ErrorCode::Internal, std::string(method) + " of " + unit + ": " + result,
                    "`systemctl status " + unit + "` tells more");
}

void Systemd::start(const std::string& unit) {
    run_job("StartUnit", unit);
}

void Systemd::stop(const std::string& unit) {
    run_job("StopUnit", unit);
}

void Systemd::try_restart(const std::string& unit) {
    run_job("TryRestartUnit", unit);
}

} // namespace banger::install
