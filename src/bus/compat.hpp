// What differs between sdbus-c++ 1.2 (Debian 12) and 2.x, in one place. All other code is written against the
// names here.
#pragma once

#include <sdbus-c++/sdbus-c++.h>
#include <systemd/sd-bus.h>

#include <chrono>
#include <map>
#include <string>

#if __has_include(<sdbus-c++/VTableItems.h>)
#define BANGER_SDBUS_2 1
#else
#define BANGER_SDBUS_2 0
#endif

namespace banger::bus {

using Variants = std::map<std::string, sdbus::Variant>;

#if BANGER_SDBUS_2
using ServiceName = sdbus::ServiceName;
using ObjectPath = sdbus::ObjectPath;
using InterfaceName = sdbus::InterfaceName;
using PropertyName = sdbus::PropertyName;
using ErrorName = sdbus::Error::Name;
using ReplyError = std::optional<sdbus::Error>; ///< what an asynchronous reply handler gets
#else
using ServiceName = std::string;
using ObjectPath = std::string; ///< in signatures of values it is sdbus::ObjectPath in both
using InterfaceName = std::string;
using PropertyName = std::string;
using ErrorName = std::string;
using ReplyError = const sdbus::Error*;
#endif

/// Handles one pending message; false when there was none.
inline bool process_one(sdbus::IConnection& connection) {
#if BANGER_SDBUS_2
    return connection.processPendingEvent();
#else
    return connection.processPendingRequest();
#endif
}

/// What to poll for: sd_bus_get_fd(3), sd_bus_get_events(3), sd_bus_get_timeout(3).
struct PollData {
    int fd;
    short events;
    int event_fd;        ///< a second descriptor to poll for reading; -1 on 1.2
    uint64_t timeout_us; ///< absolute CLOCK_MONOTONIC; 0: ready now; UINT64_MAX: none
};

inline PollData poll_data(const sdbus::IConnection& connection) {
    const auto data = connection.getEventLoopPollData();
#if BANGER_SDBUS_2
    return {data.fd, data.events, data.eventFd,
            data.timeout == std::chrono::microseconds::max() ? UINT64_MAX
                                                             : static_cast<uint64_t>(data.timeout.count())};
#else
    return {data.fd, data.events, -1, data.timeout_usec};
#endif
}

/// The text of a name or path, whichever class it is.
inline std::string text_of(const char* text) {
    return text ? text : "";
}
inline const std::string& text_of(const std::string& text) {
    return text;
}

} // namespace banger::bus
