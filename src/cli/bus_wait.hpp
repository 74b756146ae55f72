// Waiting for the bus and for signals at once.
#pragma once

#include "cli/manager.hpp"
#include "cli/signals.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

namespace banger::cli {

/// The process was asked to end by a signal, and what was under way has been taken back.
struct Interrupted {
    int signal;
};

/// Waits until something comes over the bus, or a signal, for `at_most_ms` (-1: however long). The signal's
/// number, or 0. Nothing may be left to handle before. It ends as well when `also` (-1: none) is readable.
int wait_for_bus(sdbus::IConnection& connection, const SignalScope& signals, int at_most_ms, int also = -1);

/// Handles what comes over the bus until `done()`. Throws Interrupted at the first signal.
void handle_bus_until(sdbus::IConnection& connection, const SignalScope& signals,
                      const std::function<bool()>& done);

/// A call of a manager's method that answers late, with a name; it has no time limit.
class LateCall {
public:
    LateCall(Manager& manager, const std::string& member, const std::string& name,
             const bus::Variants& options);

    bool answered() const { return outcome_->has_value(); }
    /// What was answered; throws its error.
    bus::Variants result() const;

private:
    using Outcome = std::optional<std::variant<bus::Variants, Error>>;
    std::shared_ptr<Outcome> outcome_ = std::make_shared<Outcome>(); ///< the answer may come after our end
};

/// The same to its end. Throws Interrupted at the first signal.
bus::Variants call_late(Manager& manager, const SignalScope& signals, const std::string& member,
                        const std::string& name, const bus::Variants& options);

} // namespace banger::cli
