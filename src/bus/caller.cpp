#include "bus/caller.hpp"

#include "bus/errors.hpp"

namespace banger::bus {

namespace {

constexpr auto driver_name = "org.freedesktop.DBus";
constexpr auto driver_path = "/org/freedesktop/DBus";

/// Message hides the sd_bus_message that has the flags; a derived class may name the protected member.
struct Peek : sdbus::Message {
    static sd_bus_message* raw(const sdbus::Message& message) {
        return static_cast<sd_bus_message*>(message.*(&Peek::msg_));
    }
};

} // namespace

Caller current_caller(const sdbus::IObject& object) {
#if BANGER_SDBUS_2
    const auto message = object.getCurrentlyProcessedMessage();
    auto* raw = Peek::raw(message);
#else
    const auto* message = object.getCurrentlyProcessedMessage();
    if (!message)
        throw Error(ErrorCode::Internal, "no message is being handled");
    auto* raw = Peek::raw(*message);
#endif
    return {text_of(sd_bus_message_get_sender(raw)),
            sd_bus_message_get_allow_interactive_authorization(raw) > 0,
            text_of(sd_bus_message_get_member(raw))};
}

void set_interactive(sdbus::IProxy& proxy, bool interactive) {
    // The connection's sd_bus is reachable only through one of its messages; this one is never sent.
#if BANGER_SDBUS_2
    const auto probe = proxy.createMethodCall(sdbus::InterfaceName(driver_name), sdbus::MethodName("GetId"));
#else
    const auto probe = proxy.createMethodCall(driver_name, "GetId");
#endif
    sd_bus_set_allow_interactive_authorization(sd_bus_message_get_bus(Peek::raw(probe)), interactive);
}

BusDriver::BusDriver(sdbus::IConnection& connection)
    : proxy_(sdbus::createProxy(connection, ServiceName(driver_name), ObjectPath(driver_path))) {}

void BusDriver::ask_uid(const std::string& sender, UidAnswer answer) {
    proxy_->callMethodAsync("GetConnectionUnixUser")
        .onInterface(driver_name)
        .withArguments(sender)
        .uponReplyInvoke([answer = std::move(answer)](ReplyError error, uint32_t uid) {
            if (error)
                answer(from_bus(*error));
            else
                answer(uid);
        });
}

void BusDriver::on_client_gone(std::function<void(const std::string& name)> gone) {
    proxy_->uponSignal("NameOwnerChanged")
        .onInterface(driver_name)
        .call([gone = std::move(gone)](const std::string& name, const std::string&,
                                       const std::string& new_owner) {
            if (new_owner.empty() && name.starts_with(':'))
                gone(name);
        });
#if !BANGER_SDBUS_2
    proxy_->finishRegistration(); // 2.x subscribes at once
#endif
}

} // namespace banger::bus
