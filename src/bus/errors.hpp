// Errors on the wire, both ways, and the boundary that no foreign exception crosses.
#pragma once

#include "base/error.hpp"
#include "bus/compat.hpp"

#include <exception>
#include <utility>

namespace banger::bus {

/// org.banger.Error.<Name> with Error::to_wire(); adds the thread's operation id when the error has none.
sdbus::Error to_bus(Error error);
/// org.banger.Error.* as sent; the bus's own errors by their meaning (ServiceUnknown → Unavailable,
/// AccessDenied → NotAuthorized, NoReply and Timeout → Timeout, UnknownObject → NotFound, InvalidArgs →
/// InvalidArgument …).
Error from_bus(const sdbus::Error& error);
/// Whatever is being handled in a catch block, as an Error.
Error current_error() noexcept;

/// A method handler's body: whatever it throws becomes an sdbus::Error (anything else ends the process on
/// sdbus-c++ 1.2).
template <class Body>
auto answer(Body&& body) -> decltype(body()) {
    try {
        return body();
    } catch (...) {
        throw to_bus(current_error());
    }
}

/// A client call's body: whatever the bus throws becomes an Error.
template <class Body>
auto call(Body&& body) -> decltype(body()) {
    try {
        return body();
    } catch (const sdbus::Error& error) {
        throw from_bus(error);
    }
}

/// Fails a late reply; a caller that has left is no error.
template <class... Results>
void fail(const sdbus::Result<Results...>& result, Error error) noexcept {
    try {
        result.returnError(to_bus(std::move(error)));
    } catch (const std::exception&) {
        return; // nobody is listening any more
    }
}

} // namespace banger::bus
