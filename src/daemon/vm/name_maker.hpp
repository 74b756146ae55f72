// Names for VMs that nobody named.
#pragma once

#include "base/names.hpp"

#include <functional>

namespace banger::daemon {

/// Two short words, such as "calm-otter"; after some that are taken, vm- and eight hex digits.
DnsLabel make_vm_name(const std::function<bool(const std::string&)>& is_taken);

} // namespace banger::daemon
