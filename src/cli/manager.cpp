#include "cli/manager.hpp"

#include "bus/caller.hpp"
#include "bus/object_path.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdlib>

namespace banger::cli {

namespace {

constexpr auto properties_interface = "org.freedesktop.DBus.Properties";
/// A password prompt may stay open for long; without one, the daemon answers at once or never.
constexpr auto prompt_timeout = std::chrono::minutes(10);

constexpr auto no_bus_hint = "log in with a user session, or try banger out in a private instance: "
                             "`banger instance start`, then `eval \"$(banger instance env)\"`";

/// sd_bus_open_user(3) looks in the same two places, but cannot say what to do.
void require_bus_address() {
    const char* address = std::getenv("DBUS_SESSION_BUS_ADDRESS");
    if (address && *address)
        return;
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    if (runtime && *runtime && ::access((std::string(runtime) + "/bus").c_str(), F_OK) == 0)
        return;
    throw Error(
        ErrorCode::Unavailable,
        "there is no session bus: $DBUS_SESSION_BUS_ADDRESS is not set, and $XDG_RUNTIME_DIR has no bus",
        no_bus_hint);
}

std::unique_ptr<sdbus::IConnection> connect() {
    require_bus_address();
    try {
        return sdbus::createSessionBusConnection();
    } catch (const sdbus::Error& error) {
        throw Error(ErrorCode::Unavailable, "cannot reach the session bus: " + bus::from_bus(error).message(),
                    no_bus_hint);
    }
}

} // namespace

ManagerProxy::ManagerProxy(sdbus::IConnection& connection)
    : ProxyInterfaces(connection, bus::ServiceName(bus::manager_service),
                      bus::ObjectPath(bus::manager_path)) {
    registerProxy();
}

Manager::Manager(const OpId& op)
    : op_(op.str())
    , connection_(connect())
    , proxy_(std::make_unique<ManagerProxy>(*connection_)) {
    if (!on_terminal())
        return;
    bus::set_interactive(proxy_->raw(), true);
    connection_->setMethodCallTimeout(prompt_timeout);
}

bus::Variants Manager::options() const {
    return {{"op-id", sdbus::Variant{op_}}};
}

bus::Variants Manager::properties(const std::string& path, const std::string& interface) {
    return call([&](ManagerProxy&) {
        const auto proxy =
            sdbus::createProxy(*connection_, bus::ServiceName(bus::manager_service), bus::ObjectPath(path));
        bus::Variants result;
        proxy->callMethod("GetAll")
            .onInterface(properties_interface)
            .withArguments(interface)
            .storeResultsTo(result);
        return result;
    });
}

bool on_terminal() {
    return ::isatty(STDIN_FILENO) && ::isatty(STDERR_FILENO);
}

} // namespace banger::cli
