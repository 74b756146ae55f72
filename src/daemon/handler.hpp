// What every method handler of the daemon's objects does first and last.
#pragma once

#include "base/op_id.hpp"
#include "bus/caller.hpp"
#include "bus/errors.hpp"
#include "bus/options.hpp"
#include "daemon/requests.hpp"

#include <memory>
#include <utility>

namespace banger::daemon {

/// Runs `body(options, request)` as the caller's operation; what it throws goes over the bus.
template <class Body>
auto handle(const sdbus::IObject& object, const bus::Variants& values, Body&& body) {
    return bus::answer([&] {
        bus::Options options(values);
        const OpScope scope(options.op_id());
        const auto caller = bus::current_caller(object);
        try {
            return body(options, Request{options.op_id(), caller.sender, caller.interactive});
        } catch (...) {
            throw bus::current_error().in_operation(
                options.op_id()); // the scope ends before the boundary adds it
        }
    });
}

/// The same for a late reply: `body(options, request, result)` keeps the result, or throws.
template <class Body, class... Results>
void handle_late(const sdbus::IObject& object, bus::Variants values, sdbus::Result<Results...>&& result,
                 Body&& body) noexcept {
    const auto late = std::make_shared<sdbus::Result<Results...>>(std::move(result));
    try {
        bus::Options options(std::move(values));
        const OpScope scope(options.op_id());
        const auto caller = bus::current_caller(object);
        try {
            body(options, Request{options.op_id(), caller.sender, caller.interactive}, late);
        } catch (...) {
            bus::fail(*late, bus::current_error());
        }
    } catch (...) {
        bus::fail(*late, bus::current_error());
    }
}

} // namespace banger::daemon
