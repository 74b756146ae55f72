#include "daemon/log_control.hpp"

#include "base/log.hpp"
#include "bus/errors.hpp"

namespace banger::daemon {

namespace {

/// systemd's names are syslog's short ones.
std::string systemd_name(log::Level level) {
    switch (level) {
    case log::Level::Error:
        return "err";
    default:
        return std::string(log::level_name(level));
    }
}

void set_level(const std::string& name) {
    bus::answer([&] {
        if (name == "emerg" || name == "alert" || name == "crit" || name == "err")
            log::set_level(log::Level::Error);
        else
            log::set_level(log::parse_level(name));
    });
}

} // namespace

std::unique_ptr<sdbus::IObject> serve_log_control(sdbus::IConnection& connection) {
    constexpr auto interface = "org.freedesktop.LogControl1";
    auto object = sdbus::createObject(connection, bus::ObjectPath("/org/freedesktop/LogControl1"));
#if BANGER_SDBUS_2
    object
        ->addVTable(
            sdbus::registerProperty("LogLevel")
                .withGetter([] { return systemd_name(log::level()); })
                .withSetter([](const std::string& name) { set_level(name); }),
            sdbus::registerProperty("LogTarget").withGetter([] { return std::string(log::target()); }),
            sdbus::registerProperty("SyslogIdentifier").withGetter([] {
                return std::string("banger-daemon");
            }))
        .forInterface(interface);
#else
    object->registerProperty("LogLevel")
        .onInterface(interface)
        .withGetter([] { return systemd_name(log::level()); })
        .withSetter([](const std::string& name) { set_level(name); });
    object->registerProperty("LogTarget").onInterface(interface).withGetter([] {
        return std::string(log::target());
    });
    object->registerProperty("SyslogIdentifier").onInterface(interface).withGetter([] {
        return std::string("banger-daemon");
    });
    object->finishRegistration();
#endif
    return object;
}

} // namespace banger::daemon
