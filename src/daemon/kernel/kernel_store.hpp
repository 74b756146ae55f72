// The owner's kernels: <data_dir>/kernels/<name>/{vmlinux,initrd,initrd.base,metadata.json}.
#pragma once

#include "daemon/kernel/initrd.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace banger {

/// One kernel. Paths are absolute when data_dir was.
struct KernelInfo {
    std::string name;
    std::string version; ///< "6.1.0-56-cloud-amd64"; empty when the kernel does not tell
    std::string format;  ///< of what is stored: "vmlinux"
    std::string path;    ///< of the kernel: an ELF with a PVH entry, for Firecracker and QEMU alike
    std::string initrd;  ///< of the initramfs
    std::vector<GuestModule> modules; ///< in load order; what was looked for and not found stands there too
    uint64_t size = 0;                ///< bytes on the disk, all files
    std::string source;               ///< "package linux-image-cloud-amd64", "file vmlinuz-6.1"
    std::string created_at;           ///< "2025-01-31T12:00:00Z"
    AgentStamp agent;                 ///< of the agent in the initramfs
};

inline constexpr const char* kernel_file_name = "vmlinux";
inline constexpr const char* initrd_file_name = "initrd";
inline constexpr const char* initrd_base_file_name = "initrd.base";

/// `<data_dir>/kernels`.
std::string kernel_store(const std::string& data_dir);
/// metadata.json as text; the opposite throws Error for what is no such file.
std::string kernel_metadata(const KernelInfo& kernel);
KernelInfo parse_kernel_metadata(std::string_view text);

/// All kernels, by name. A folder without readable metadata is left out.
std::vector<KernelInfo> list_kernels(const std::string& data_dir);
/// Throws NotFound (or InvalidArgument for what cannot be a name).
KernelInfo find_kernel(const std::string& data_dir, std::string_view name);
/// Running VMs keep the files that they have open. Throws NotFound.
void delete_kernel(const std::string& data_dir, std::string_view name);

/// Puts the agent at `agent_path` into the kernel's initramfs if another one is in there. Two stat(2) calls
/// when not; a few milliseconds when so. Of callers side by side one writes, and the others wait for it.
/// Returns whether anything was written.
bool refresh_initrd(KernelInfo& kernel, const std::string& agent_path);

} // namespace banger
