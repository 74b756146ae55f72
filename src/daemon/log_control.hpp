// org.freedesktop.LogControl1 (org.freedesktop.LogControl1(5)): `systemctl --user service-log-level`.
#pragma once

#include "bus/compat.hpp"

#include <memory>

namespace banger::daemon {

/// Serves it at /org/freedesktop/LogControl1 for as long as the object lives. The level can be changed, the
/// target not.
std::unique_ptr<sdbus::IObject> serve_log_control(sdbus::IConnection& connection);

} // namespace banger::daemon
