#include "daemon/host.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/size.hpp"

#include <sys/statvfs.h>
#include <sys/sysinfo.h>

#include <algorithm>

namespace banger::daemon {

namespace {

constexpr uint64_t mib = 1 << 20;
constexpr uint64_t space_for_a_disk = 64 * mib;

} // namespace

uint64_t host_memory_mib() {
    struct sysinfo info{};
    if (::sysinfo(&info) < 0)
        throw_errno("sysinfo");
    return static_cast<uint64_t>(info.totalram) * info.mem_unit / mib;
}

std::string current_boot_id() {
    auto id = read_file("/proc/sys/kernel/random/boot_id");
    while (id.ends_with('\n'))
        id.pop_back();
    return id;
}

void require_memory(uint64_t memory_mib, uint64_t host_mib) {
    if (memory_mib > host_mib)
        throw Error(ErrorCode::FailedPrecondition,
                    "the VM wants " + std::to_string(memory_mib) + " MiB of memory, but this host has " +
                        std::to_string(host_mib) + " MiB",
                    "ask for less: --memory");
}

void require_space(const std::string& folder, uint64_t bytes) {
    struct statvfs facts{};
    if (::statvfs(folder.c_str(), &facts) < 0)
        throw_errno("statvfs " + folder);
    const uint64_t available = static_cast<uint64_t>(facts.f_bavail) * facts.f_frsize;
    const uint64_t needed = std::min(bytes, space_for_a_disk);
    if (available < needed)
        throw Error(ErrorCode::FailedPrecondition,
                    folder + " has " + human_size(available) + " free, a new disk needs " +
                        human_size(needed),
                    "free some space: `banger vm list --all` shows the VMs, `banger vm delete` removes one "
                    "with its disk");
}

} // namespace banger::daemon
