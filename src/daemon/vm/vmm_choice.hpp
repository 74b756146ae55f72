// Which VMM runs a VM: as it was asked for, or by what the host has.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace banger::daemon {

/// Of the helper: Vmms and VmmTroubles of org.banger.Helper1.Machine.
struct OfferedVmms {
    std::map<std::string, std::string> there;    ///< name → version
    std::map<std::string, std::string> troubles; ///< name → why it is not there
};

struct VmmChoice {
    std::string vmm; ///< "firecracker" or "qemu"
    std::string why; ///< for the log
};

/// What `auto` is: Firecracker where it can be launched and guests run on KVM, which it cannot do without;
/// else banger-qemu. `accelerator` is "kvm" or "tcg".
VmmChoice choose_vmm(const OfferedVmms& offered, std::string_view accelerator);

/// How the guest's agent is reached: "vsock" with Firecracker, whose vsock needs nothing of the host;
/// "serial" otherwise: banger-qemu gives the guest virtio-serial ports, also where there is a
/// /dev/vhost-vsock.
std::string guest_transport(std::string_view vmm);

/// FailedPrecondition unless the file is an ELF, which is all that Firecracker boots on x86-64.
void require_elf_kernel(int fd, const std::string& name);

} // namespace banger::daemon
