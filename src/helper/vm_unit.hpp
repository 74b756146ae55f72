// The systemd unit that a VM's processes are in: its name, and who is in it by the kernel's word
// (/proc/PID/cgroup). No process can leave its control group without root's help, and none can be born
// outside of its parent's, so that is the proof of whose a process is.
#pragma once

#include "base/fd.hpp"
#include "base/names.hpp"
#include "helper/record.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace banger::helper {

inline constexpr const char* vm_slice = "banger.slice";

/// Of "<uid>-<vm>", as jails are called, and written just so; nothing for other texts.
std::optional<std::pair<uint32_t, VmId>> parse_owner_and_vm(std::string_view text);
/// "banger-vm-<uid>-<vm>.service".
std::string unit_name(uint32_t uid, const VmId& vm);
/// The opposite; nothing for other units.
std::optional<std::pair<uint32_t, VmId>> parse_unit_name(std::string_view unit);
/// The unit of banger's slice that a process is in, by its /proc/PID/cgroup (cgroups(7)): both of the unified
/// hierarchy and of systemd's own in the older arrangement. Empty for others.
std::string unit_in_slice(std::string_view cgroup_file);
/// The same for a process of this moment.
std::string unit_of(int pid);

/// Who is in that control group, or in one below, by cgroup.procs (cgroups(7)); a path of the filesystem.
std::vector<int> pids_below(const std::string& group);
/// A pidfd of the process while it runs; when `unit` is not empty, only while it is in that unit. Empty
/// otherwise.
OwnedFd open_if_alive_in(const std::string& unit, const ProcessId& id);
/// The VMM's process, while it runs. Before it is known, its guardian stands for it.
OwnedFd open_vmm(const VmRecord& record);
/// Sends SIGKILL once to each process that is in the unit at this moment; how many there were.
size_t kill_unit_once(const std::string& unit);
/// Kills until nothing is in the unit, and waits until systemd has noticed. Timeout when some remain after
/// five seconds. Blocks.
void kill_unit(const std::string& unit);
/// The units of VMs that have processes at this moment.
std::vector<std::string> vm_units();

} // namespace banger::helper
