// Where a kernel and its modules come from: Debian packages, a plain file, a folder of modules.
#pragma once

#include "daemon/kernel/modules.hpp"

#include <stop_token>
#include <string>
#include <vector>

namespace banger {

/// What was taken out of the sources.
struct KernelParts {
    std::string image;   ///< bzImage or ELF, as found
    std::string version; ///< "6.1.0-56-cloud-amd64", from the paths; empty when they do not tell
    ModuleBag modules;
};

/// Reads packages (ar with data.tar in it), as often as the modules' dependencies ask for (the common case:
/// once). One of them must hold boot/vmlinuz-VERSION or lib/modules/VERSION/vmlinuz. Nothing is written
/// anywhere; paths only choose. Throws InvalidArgument for damage, for a package without a kernel, and past
/// the limits (100 000 entries, 8 GiB), Cancelled.
KernelParts read_kernel_packages(const std::vector<std::string>& paths, const std::stop_token& stop);

/// Reads a bzImage or vmlinux, and the modules below `modules_dir` (such as /lib/modules/6.1.0) unless that
/// is empty.
KernelParts read_kernel_file(const std::string& path, const std::string& modules_dir,
                             const std::stop_token& stop);

/// Whether the file begins as a Debian package does.
bool is_debian_package(const std::string& path);

} // namespace banger
