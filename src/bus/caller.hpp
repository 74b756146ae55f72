// Who calls: what a method handler must copy from the message at its entry, and the questions to the bus
// about the sender.
#pragma once

#include "base/error.hpp"
#include "bus/compat.hpp"

#include <functional>
#include <memory>
#include <string>
#include <variant>

namespace banger::bus {

/// The sender of the message that is being handled.
struct Caller {
    std::string sender; ///< its unique bus name
    bool interactive =
        false;          ///< ALLOW_INTERACTIVE_AUTHORIZATION was set (D-Bus specification, message flags)
    std::string method; ///< "Launch"
};

/// Only inside a method handler of `object`.
Caller current_caller(const sdbus::IObject& object);

/// Lets polkit ask the user on behalf of all calls of this connection, or not
/// (sd_bus_set_allow_interactive_authorization(3)).
void set_interactive(sdbus::IProxy& any_proxy_of_the_connection, bool interactive);

/// The message bus itself, asked about its clients. For the loop's thread.
class BusDriver {
public:
    explicit BusDriver(sdbus::IConnection& connection);

    using UidAnswer = std::function<void(std::variant<uint32_t, Error>)>;
    /// The uid that the bus saw when `sender` connected: SO_PEERCRED, never augmented from /proc.
    void ask_uid(const std::string& sender, UidAnswer answer);
    /// `gone(name)` is called in the loop whenever a unique name leaves the bus.
    void on_client_gone(std::function<void(const std::string& name)> gone);

private:
    std::unique_ptr<sdbus::IProxy> proxy_;
};

} // namespace banger::bus
