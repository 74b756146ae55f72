// A bus connection as one more source of the GLib main loop.
#pragma once

#include "bus/compat.hpp"

#include <glib.h>

#include <functional>

namespace banger::bus {

/// Serves `connection` from the default main context for as long as it lives; the connection must live
/// longer. Calls `lost` (once) when the bus has closed the connection.
class GlibSource {
public:
    GlibSource(sdbus::IConnection& connection, std::function<void()> lost);
    GlibSource(const GlibSource&) = delete;
    GlibSource& operator=(const GlibSource&) = delete;
    ~GlibSource();

private:
    GSource* source_;
};

} // namespace banger::bus
