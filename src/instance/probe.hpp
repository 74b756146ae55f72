// Questions to an instance's buses, asked from outside.
#pragma once

#include <chrono>
#include <string>

namespace banger::instance {

/// Throws Unavailable unless the bus at `address` admits us and answers.
void ping_bus(const std::string& address);
/// Waits until somebody owns `name`; throws Timeout, or Unavailable when the bus goes away.
void wait_for_name(const std::string& address, const std::string& name, std::chrono::milliseconds limit);

} // namespace banger::instance
