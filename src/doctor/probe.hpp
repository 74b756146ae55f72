// Small looks that several checks take.
#pragma once

#include "bus/compat.hpp"
#include "doctor/check.hpp"

#include <functional>
#include <string>

namespace banger::doctor {

/// Runs `body`, which adds to `checks`; what it throws becomes a finding of that id.
void guarded(Checks& checks, const std::string& id, Verdict verdict, const std::function<void()>& body);

/// All properties of one interface. Throws Error.
bus::Variants properties(sdbus::IConnection& connection, const std::string& service, const std::string& path,
                         const std::string& interface);

/// Neither bus nor services may keep a doctor waiting.
inline constexpr auto patience = std::chrono::seconds(25);

} // namespace banger::doctor
