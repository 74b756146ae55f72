#include "helper/vm_unit.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "helper/process_id.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <set>
#include <sstream>
#include <thread>

namespace banger::helper {

namespace {

constexpr std::string_view prefix = "banger-vm-";
constexpr std::string_view suffix = ".service";
constexpr std::chrono::seconds patience{5};
constexpr std::chrono::milliseconds look_again{2};
constexpr size_t cgroup_limit = 64 << 10;
constexpr size_t procs_limit = 1 << 20;

/// Where systemd's hierarchy is mounted: unified, or beside the old ones (cgroups(7)).
constexpr const char* hierarchies[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"};

std::string folder_of(const std::string& unit) {
    return std::string(hierarchies[0]) + "/" + vm_slice + "/" + unit;
}

/// Pidfds of who is in the unit at this moment.
std::vector<OwnedFd> members(const std::string& unit) {
    std::vector<OwnedFd> found;
    for (const auto* hierarchy : hierarchies)
        for (const int pid : pids_below(std::string(hierarchy) + "/" + vm_slice + "/" + unit))
            if (auto pidfd = open_if_alive_in(unit, identify(pid)))
                found.push_back(std::move(pidfd));
    return found;
}

/// systemd removes the folder of a unit that has ended. Where there is none, or it is late, nothing is lost:
/// a new start is tried again while the old unit is there.
void await_collection(const std::string& unit) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (::access(folder_of(unit).c_str(), F_OK) == 0 && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(look_again);
}

} // namespace

std::string unit_name(uint32_t uid, const VmId& vm) {
    return std::string(prefix) + std::to_string(uid) + "-" + vm.str() + std::string(suffix);
}

std::optional<std::pair<uint32_t, VmId>> parse_owner_and_vm(std::string_view text) {
    const auto dash = text.find('-');
    uint32_t uid = 0;
    if (dash == text.npos || dash == 0 ||
        std::from_chars(text.data(), text.data() + dash, uid).ptr != text.data() + dash)
        return std::nullopt;
    try {
        auto vm = VmId::parse(text.substr(dash + 1));
        if (std::to_string(uid) + "-" + vm.str() != text)
            return std::nullopt; // a number written otherwise, or too large
        return std::pair{uid, std::move(vm)};
    } catch (const Error&) {
        return std::nullopt;
    }
}

std::optional<std::pair<uint32_t, VmId>> parse_unit_name(std::string_view unit) {
    if (!unit.starts_with(prefix) || !unit.ends_with(suffix) || unit.size() < prefix.size() + suffix.size())
        return std::nullopt;
    return parse_owner_and_vm(unit.substr(prefix.size(), unit.size() - prefix.size() - suffix.size()));
}

std::string unit_in_slice(std::string_view cgroup_file) {
    const auto slice = "/" + std::string(vm_slice) + "/";
    while (!cgroup_file.empty()) {
        const auto end = std::min(cgroup_file.find('\n'), cgroup_file.size());
        auto line = cgroup_file.substr(0, end);
        cgroup_file.remove_prefix(std::min(end + 1, cgroup_file.size()));
        // hierarchy-ID:controllers:path; 0 and no controllers is the unified one.
        const auto first = line.find(':');
        const auto second = first == line.npos ? line.npos : line.find(':', first + 1);
        if (second == line.npos)
            continue;
        const auto controllers = line.substr(first + 1, second - first - 1);
        const auto path = line.substr(second + 1);
        if ((line.substr(0, second) != "0:" && controllers != "name=systemd") || !path.starts_with(slice))
            continue;
        const auto below = path.substr(slice.size());
        return std::string(below.substr(0, below.find('/')));
    }
    return {};
}

std::string unit_of(int pid) {
    try {
        return unit_in_slice(read_file("/proc/" + std::to_string(pid) + "/cgroup", cgroup_limit));
    } catch (const Error&) {
        return {}; // it ended meanwhile
    }
}

std::vector<int> pids_below(const std::string& group) {
    std::vector<int> pids;
    const auto add = [&pids](const std::string& folder) {
        try {
            std::istringstream numbers(read_file(folder + "/cgroup.procs", procs_limit));
            for (int pid = 0; numbers >> pid;)
                pids.push_back(pid);
        } catch (const Error&) {
            return; // the group went meanwhile, or was never there
        }
    };
    add(group);
    std::error_code trouble; // groups come and go while they are walked through
    for (std::filesystem::recursive_directory_iterator at(group, trouble), end; !trouble && at != end;
         at.increment(trouble))
        if (at->is_directory(trouble))
            add(at->path().string());
    return pids;
}

OwnedFd open_if_alive_in(const std::string& unit, const ProcessId& id) {
    auto pidfd = open_if_alive(id);
    // Looked at while the pidfd is held and found alive afterwards: it is this process that is in there.
    if (pidfd && !unit.empty() && (unit_of(id.pid) != unit || !alive(pidfd.get())))
        return {};
    return pidfd;
}

OwnedFd open_vmm(const VmRecord& record) {
    if (!record.vmm || record.vmm->state == VmmState::Exited)
        return {};
    return open_if_alive_in(record.vmm->unit, record.vmm->main.value_or(record.vmm->monitor));
}

size_t kill_unit_once(const std::string& unit) {
    const auto found = members(unit);
    for (const auto& pidfd : found)
        send_signal(pidfd.get(), SIGKILL);
    return found.size();
}

void kill_unit(const std::string& unit) {
    kill_all([&] { return members(unit); }, "in unit " + unit);
    await_collection(unit);
}

std::vector<std::string> vm_units() {
    std::set<std::string> found;
    for (const int pid : all_pids())
        if (auto unit = unit_of(pid); parse_unit_name(unit))
            found.insert(std::move(unit));
    return {found.begin(), found.end()};
}

} // namespace banger::helper
