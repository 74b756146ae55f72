#include "daemon/host.hpp"

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/file.hpp"
#include "base/size.hpp"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>

namespace banger::daemon {

namespace {

constexpr uint64_t mib = 1 << 20;
constexpr uint64_t space_for_a_disk = 64 * mib;

bool has_word(std::string_view line, std::string_view word) {
    for (size_t at = line.find(word); at != std::string_view::npos; at = line.find(word, at + 1)) {
        const bool begins = at == 0 || line[at - 1] == ' ' || line[at - 1] == '\t';
        const bool ends = at + word.size() == line.size() || line[at + word.size()] == ' ';
        if (begins && ends)
            return true;
    }
    return false;
}

} // namespace

uint64_t host_memory_mib() {
    struct sysinfo info{};
    if (::sysinfo(&info) < 0)
        throw_errno("sysinfo");
    return static_cast<uint64_t>(info.totalram) * info.mem_unit / mib;
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

bool has_virtualization(std::string_view cpuinfo) {
    const auto flags = cpuinfo.find("\nflags");
    if (flags == std::string_view::npos)
        return false;
    auto line = cpuinfo.substr(flags + 1);
    line = line.substr(0, line.find('\n'));
    return has_word(line, "vmx") || has_word(line, "svm");
}

std::string accelerator() {
    const OwnedFd kvm(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
#if defined(__x86_64__) || defined(__i386__)
    return kvm && has_virtualization(read_file("/proc/cpuinfo")) ? "kvm" : "tcg";
#else
    return kvm ? "kvm" : "tcg";
#endif
}

std::string guest_transport() {
    return "serial";
}

} // namespace banger::daemon
