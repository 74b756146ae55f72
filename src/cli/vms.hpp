// The owner's VMs, as the daemon lists them.
#pragma once

#include "cli/manager.hpp"
#include "cli/targets.hpp"
#include "cli/vm_info.hpp"

#include <functional>
#include <string>
#include <vector>

namespace banger::cli {

/// All of them, the oldest first.
std::vector<VmInfo> all_vms(Manager& manager);

/// A verb for VMs. `meant`: which ones --all means; `objection`: why one will be refused, else empty.
Verb vm_verb(std::string_view infinitive, bool (*meant)(const VmInfo& vm),
             std::function<std::string(const VmInfo& vm)> objection = {});

/// Of a VM that was named: when it is not there, with what was probably meant; with its name in any case.
Error explain_vm(Manager& manager, const Error& error, const std::string& name);

} // namespace banger::cli
