// A VM's systemd unit as a value: the properties for org.freedesktop.systemd1.Manager.StartTransientUnit.
#pragma once

#include "bus/compat.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace banger::helper {

struct UnitSpec {
    std::string program; ///< banger-jail's absolute path
    std::string owner;   ///< the account's name
    unsigned uid = 0;
    unsigned gid = 0;
    std::string vm;
    uint32_t vcpus = 1;
    uint32_t memory_mib = 0; ///< the guest's
    bool jailer = false;     ///< of Firecracker: root, with little of what root may, until it is the owner
};

using UnitProperty = sdbus::Struct<std::string, sdbus::Variant>;
using UnitProperties = std::vector<UnitProperty>;

/// What systemd limits the unit's memory to, in bytes: the guest's, an eighth of it, and 1 GiB. The VMM needs
/// some for itself, an emulating one up to a gigabyte for translated code; page tables grow with the guest.
uint64_t memory_limit(uint32_t guest_mib);
/// All but the descriptor that is its standard input.
UnitProperties unit_properties(const UnitSpec& spec);

} // namespace banger::helper
