// What runs guests fast on this host, and what reaches them.
#pragma once

#include <string>
#include <string_view>

namespace banger {

/// "kvm" when guests can be run with it: /dev/kvm opens, and on x86 the CPU says vmx or svm (without, stock
/// kernels hang in a nested KVM). Else "tcg".
std::string accelerator();
/// The second half of that: `cpuinfo` is the text of /proc/cpuinfo.
bool has_virtualization(std::string_view cpuinfo);

/// How the guest's agent is reached: "vsock" where the host has /dev/vhost-vsock, else "serial". banger-qemu,
/// which makes the guest's devices, decides by the same file.
std::string guest_transport();

} // namespace banger
