// What runs guests fast on this host.
#pragma once

#include <string>
#include <string_view>

namespace banger {

/// "kvm" when guests can be run with it: /dev/kvm opens, and on x86 the CPU says vmx or svm (without, stock
/// kernels hang in a nested KVM). Else "tcg".
std::string accelerator();
/// The second half of that: `cpuinfo` is the text of /proc/cpuinfo.
bool has_virtualization(std::string_view cpuinfo);

} // namespace banger
