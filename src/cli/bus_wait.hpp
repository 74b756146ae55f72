// Waiting for the bus and for signals at once.
#pragma once

#include "cli/manager.hpp"
#include "cli/signals.hpp"

#include <functional>
#include <string>

namespace banger::cli {

/// The process was asked to end by a signal, and what was under way has been taken back.
struct Interrupted {
    int signal;
};

/// Waits until something comes over the bus, or a signal, for `at_most_ms` (-1: however long). The signal's
/// number, or 0. Nothing may be left to handle before.
int wait_for_bus(sdbus::IConnection& connection, const SignalScope& signals, int at_most_ms);

/// Handles what comes over the bus until `done()`. Throws Interrupted at the first signal.
void handle_bus_until(sdbus::IConnection& connection, const SignalScope& signals,
                      const std::function<bool()>& done);

/// Calls a method of the manager that answers late, with a name, and waits without a time limit. Throws
/// Interrupted at the first signal.
bus::Variants call_late(Manager& manager, const SignalScope& signals, const std::string& member,
                        const std::string& name, const bus::Variants& options);

} // namespace banger::cli
