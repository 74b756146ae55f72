// Kernel modules and the devices that they bring.
#pragma once

#include "agent/cmdline.hpp"
#include "base/fd.hpp"

#include <functional>
#include <string>
#include <vector>

namespace banger::agent {

/// The kernel's own word that a device came: NETLINK_KOBJECT_UEVENT. Open it before the modules are loaded,
/// and nothing is missed.
class DeviceEvents {
public:
    DeviceEvents(); ///< throws Error
    int fd() const noexcept { return fd_.get(); }
    /// Throws away what has been told so far.
    void drain() const noexcept;
    /// Waits until `is_there` says so, asking anew after each event. False when `limit_ms` went by.
    bool wait(const std::function<bool()>& is_there, int limit_ms) const;

private:
    OwnedFd fd_;
};

/// One line of /modules/order.
struct ModuleLine {
    std::string group;
    std::string file;
};
/// Reads its text; a line that is not two words, or whose file is no plain file name, is an
/// Error{InvalidArgument}.
std::vector<ModuleLine> parse_module_order(std::string_view text);
/// Whether this boot needs the modules of `group`.
bool needs_group(std::string_view group, const BootConfig& config);
/// Loads what is needed from `folder`, in order. What the kernel has or refuses is not an error here: a
/// device that does not come for it is told where it is missed. Refusals are printed.
void load_modules(const std::string& folder, const BootConfig& config);

} // namespace banger::agent
