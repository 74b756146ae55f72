#include "daemon/vm/vm.hpp"

#include "base/error.hpp"

#include <array>

namespace banger::daemon {

namespace {

constexpr std::array<std::string_view, 7> names{"created", "starting", "running", "stopping",
                                                "stopped", "failed",   "deleting"};

} // namespace

std::string_view vm_state_name(VmState state) noexcept {
    return names[static_cast<size_t>(state)];
}

VmState vm_state_named(std::string_view name) {
    for (size_t i = 0; i < names.size(); ++i)
        if (names[i] == name)
            return static_cast<VmState>(i);
    throw Error(ErrorCode::Internal, "not a VM state: " + std::string(name.substr(0, 64)));
}

bool may_follow(VmState from, VmState to) noexcept {
    if (to == VmState::Deleting)
        return true;
    switch (from) {
    case VmState::Created:
    case VmState::Stopped:
    case VmState::Failed:
        return to == VmState::Starting || to == VmState::Stopped;
    case VmState::Starting: // a start that was cancelled ends in Stopped
        return to == VmState::Running || to == VmState::Stopped || to == VmState::Failed;
    case VmState::Running:
        return to == VmState::Stopping || to == VmState::Stopped;
    case VmState::Stopping: // back to Running where the VMM could not be ended
        return to == VmState::Stopped || to == VmState::Running;
    case VmState::Deleting:
        return false;
    }
    return false;
}

bool is_active(VmState state) noexcept {
    return state == VmState::Starting || state == VmState::Running || state == VmState::Stopping;
}

VmPaths vm_paths(const std::string& data_dir, const VmId& id) {
    return {data_dir + "/vms/" + id.str()};
}

} // namespace banger::daemon
