// The initramfs: the guest agent as /init, and the modules that it loads.
#pragma once

#include "daemon/kernel/modules.hpp"

#include <cstdint>
#include <string>

namespace banger {

/// Which agent an initramfs holds, told cheaply.
struct AgentStamp {
    uint64_t size = 0;
    int64_t mtime_ns = 0; ///< since 1970

    /// Throws NotFound, with a hint, when there is no such file.
    static AgentStamp of(const std::string& agent_path);
    bool operator==(const AgentStamp&) const = default;
};

/// /modules/order: lines "GROUP FILE" in load order.
std::string modules_order(const ModuleBag::Selection& modules);

/// Everything but the agent, as the beginning of a cpio archive: folders, /dev/console, the modules and their
/// order.
std::string initrd_base(const ModuleBag::Selection& modules);

/// Writes `out` (atomically): `base` as initrd_base() gives it, the agent as /init, and the end. Throws
/// Error.
void write_initrd(const std::string& base, const std::string& agent_path, const std::string& out);

/// Both at once.
void build_initrd(const ModuleBag::Selection& modules, const std::string& agent_path, const std::string& out);

} // namespace banger
