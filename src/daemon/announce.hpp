// Signals, for whoever listens.
#pragma once

#include "base/log.hpp"

#include <exception>
#include <string>

namespace banger::daemon {

/// Runs `emit`, which sends a signal. That the bus is gone is no reason to fail: then nobody listens, and the
/// loop hears of it by itself.
template <class Emit>
void announce(Emit&& emit) noexcept {
    try {
        emit();
    } catch (const std::exception& error) {
        log::debug("a signal was not sent: " + std::string(error.what()));
    }
}

} // namespace banger::daemon
