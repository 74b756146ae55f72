// VMs in `machinectl list`: systemd-machined is told of them, where it is installed
// (org.freedesktop.machine1(5)).
#pragma once

#include "bus/compat.hpp"
#include "helper/jail.hpp"

#include <memory>
#include <string>

namespace banger::helper {

/// "banger-<uid>-<vm>": machined takes host names of at most 64 characters.
std::string machine_name(unsigned uid, const std::string& vm);

/// For the loop's thread.
class Machined {
public:
    explicit Machined(sdbus::IConnection& connection);
    /// Tells it of a VM whose VMM is in a unit of its own; machined forgets it with that unit. Does not wait;
    /// where it fails, a debug entry in the log is all: nothing of banger's depends on it.
    void announce(const JailSpec& spec, int vmm_pid) noexcept;

private:
    std::unique_ptr<sdbus::IProxy> manager_;
};

} // namespace banger::helper
