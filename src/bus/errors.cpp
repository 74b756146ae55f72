#include "bus/errors.hpp"

#include "base/op_id.hpp"

#include <array>
#include <string_view>

namespace banger::bus {

namespace {

constexpr std::string_view freedesktop = "org.freedesktop.DBus.Error.";

struct Foreign {
    std::string_view name; ///< after the prefix
    ErrorCode code;
    std::string_view hint;
};

constexpr std::string_view not_installed = "is banger installed for this user? to try it: `banger instance "
                                           "start`, then eval \"$(banger instance env)\"";

constexpr std::array<Foreign, 14> foreign{{
    {"ServiceUnknown", ErrorCode::Unavailable, not_installed},
    {"NameHasNoOwner", ErrorCode::Unavailable, not_installed},
    {"Disconnected", ErrorCode::Unavailable, "the service ended; its log says why"},
    {"NoServer", ErrorCode::Unavailable,
     "is there a message bus? $DBUS_SESSION_BUS_ADDRESS tells where it should be"},
    {"NoReply", ErrorCode::Timeout, "the service did not answer; its log says why"},
    {"Timeout", ErrorCode::Timeout, "the service did not answer; its log says why"},
    {"AccessDenied", ErrorCode::NotAuthorized, "the bus policy admits registered owners only"},
    {"InteractiveAuthorizationRequired", ErrorCode::NotAuthorized,
     "polkit wants to ask for a password; call again from a session with a polkit agent"},
    {"UnknownObject", ErrorCode::NotFound, ""},
    {"UnknownMethod", ErrorCode::Unsupported, "the service is of another version"},
    {"UnknownInterface", ErrorCode::Unsupported, "the service is of another version"},
    {"InvalidArgs", ErrorCode::InvalidArgument, ""},
    {"Spawn.ChildExited", ErrorCode::Unavailable,
     "the service ended at its start; the journal says why (in a private instance: log/ in its state "
     "folder)"},
    {"LimitsExceeded", ErrorCode::Busy, "try again when fewer calls are under way"},
}};

} // namespace

sdbus::Error to_bus(Error error) {
    error.in_operation(current_op_id());
    return {ErrorName(std::string(dbus_error_prefix) + std::string(error_kind(error.code()).name)),
            error.to_wire()};
}

Error from_bus(const sdbus::Error& error) {
    const std::string name = error.getName();
    if (name.starts_with(dbus_error_prefix))
        return Error::from_wire(error_code_named(name), error.getMessage());
    if (name.starts_with(freedesktop)) {
        for (const auto& row : foreign)
            if (name.substr(freedesktop.size()) == row.name)
                return {row.code, error.getMessage(), std::string(row.hint)};
    }
    // sd-bus gives errno of its own making as System.Error.<NAME>.
    if (name == "System.Error.ECONNREFUSED" || name == "System.Error.ENOENT" ||
        name == "System.Error.ECONNRESET" || name == "System.Error.ENOTCONN" ||
        name == "System.Error.ENOMEDIUM")
        return {ErrorCode::Unavailable, "cannot reach the message bus: " + error.getMessage(),
                "is there a session? $DBUS_SESSION_BUS_ADDRESS tells where its bus should be"};
    if (name == "System.Error.ETIMEDOUT")
        return {ErrorCode::Timeout, error.getMessage(), "the service did not answer; its log says why"};
    return {ErrorCode::Internal, name + ": " + error.getMessage()};
}

Error current_error() noexcept {
    try {
        throw;
    } catch (const Error& error) {
        return error;
    } catch (const sdbus::Error& error) {
        return from_bus(error);
    } catch (const std::exception& error) {
        return {ErrorCode::Internal, error.what()};
    } catch (...) {
        return {ErrorCode::Internal, "an unknown exception"};
    }
}

} // namespace banger::bus
