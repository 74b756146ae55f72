#include "daemon/vm/vmm_choice.hpp"

#include "base/error.hpp"

#include <unistd.h>

#include <array>
#include <string_view>

namespace banger::daemon {

VmmChoice choose_vmm(const OfferedVmms& offered, std::string_view accelerator) {
    const auto firecracker = offered.there.find("firecracker");
    if (firecracker == offered.there.end()) {
        const auto trouble = offered.troubles.find("firecracker");
        return {"qemu",
                trouble == offered.troubles.end() ? "the helper has no Firecracker" : trouble->second};
    }
    if (accelerator != "kvm")
        return {"qemu", "Firecracker needs KVM, which is not to be had"};
    return {"firecracker", "Firecracker " + firecracker->second + " is there, and so is KVM"};
}

std::string guest_transport(std::string_view vmm) {
    return vmm == "firecracker" ? "vsock" : "serial";
}

void require_elf_kernel(int fd, const std::string& name) {
    constexpr std::string_view magic = "\177ELF";
    std::array<char, 4> begin{};
    if (::pread(fd, begin.data(), begin.size(), 0) != static_cast<ssize_t>(begin.size()) ||
        std::string_view(begin.data(), begin.size()) != magic)
        throw Error(
            ErrorCode::FailedPrecondition,
            "kernel " + name + " is no uncompressed ELF vmlinux, and Firecracker boots nothing else",
            "import it again with `banger kernel import`, which unpacks it; or run the VM with --vmm qemu");
}

} // namespace banger::daemon
