// Takes a kernel into the owner's store, ready to boot: unpacked, with an initramfs that holds the agent and
// the modules.
#pragma once

#include "daemon/image/progress.hpp"
#include "daemon/kernel/kernel_store.hpp"

#include <stop_token>
#include <string>

namespace banger {

struct ImportRequest {
    std::string name; ///< the kernel's
    /// A path with a / in it (a Debian package, a bzImage or a vmlinux), or a package's name
    /// ("linux-image-cloud-amd64").
    std::string source;
    std::string agent_path;    ///< the static guest agent
    std::string data_dir;      ///< the owner's, as xdg_data_dir() gives it
    std::string modules_dir{}; ///< for a bzImage or vmlinux: its modules' folder; empty: none are needed
    bool replace = false;      ///< a kernel of that name is replaced once the new one is complete
};

/// Blocks, for a few seconds and the download. Throws Error: InvalidArgument (no kernel, or a damaged one),
/// AlreadyExists, NotFound, Unavailable (mirror, apt), FailedPrecondition (disk full), Unsupported
/// (compression), Cancelled. Nothing is left behind then.
KernelInfo import_kernel(const ImportRequest& request, const std::stop_token& stop, const Progress& progress);

} // namespace banger
