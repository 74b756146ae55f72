#include "daemon/vm/usage.hpp"

#include "base/error.hpp"
#include "base/file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <sstream>
#include <vector>

namespace banger::daemon {

namespace {

constexpr size_t most_processes = 256; // of one VMM: more is nothing that banger starts

/// Empty when it cannot be read: processes come and go.
std::string read_proc(const std::string& path) {
    try {
        return read_file(path);
    } catch (const Error&) {
        return {};
    }
}

uint64_t number(std::string_view text) {
    uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

std::vector<int> children_of(int pid) {
    std::vector<int> found;
    std::error_code none;
    const auto tasks = "/proc/" + std::to_string(pid) + "/task";
    for (const auto& task : std::filesystem::directory_iterator(tasks, none)) {
        std::istringstream children(read_proc(task.path().string() + "/children"));
        for (int child = 0; children >> child;)
            found.push_back(child);
    }
    return found;
}

std::vector<int> family_of(int pid) {
    std::vector<int> family{pid};
    for (size_t at = 0; at < family.size() && family.size() < most_processes; ++at)
        for (const int child : children_of(family[at]))
            family.push_back(child);
    return family;
}

uint64_t resident_bytes(int pid) {
    std::istringstream fields(read_proc("/proc/" + std::to_string(pid) + "/statm"));
    uint64_t size = 0;
    uint64_t resident = 0;
    fields >> size >> resident;
    return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

/// The number after `key ` at the begin of a line.
uint64_t keyed(const std::string& text, const std::string& key) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with(key + " "))
            return number(std::string_view(line).substr(key.size() + 1));
    return 0;
}

} // namespace

std::optional<uint64_t> parse_ticks(std::string_view stat) {
    const auto name_end = stat.rfind(')');
    if (name_end == std::string_view::npos)
        return std::nullopt;
    std::istringstream fields{std::string(stat.substr(name_end + 1))};
    std::string skipped;
    for (int i = 3; i < 14; ++i) // state is field 3, utime 14, stime 15, cutime 16, cstime 17
        fields >> skipped;
    uint64_t ticks = 0;
    for (int i = 14; i <= 17; ++i) {
        uint64_t more = 0;
        if (!(fields >> more))
            return std::nullopt;
        ticks += more;
    }
    return ticks;
}

std::string parse_own_cgroup(std::string_view cgroup) {
    std::istringstream lines{std::string(cgroup)};
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with("0::/"))
            continue;
        const auto path = line.substr(3);
        return path.find("/banger-vm-") == std::string::npos ? "" : "/sys/fs/cgroup" + path;
    }
    return {};
}

std::optional<ProcessUsage> usage_of(int pid) {
    const auto proc = "/proc/" + std::to_string(pid);
    ProcessUsage usage;
    for (const int one : family_of(pid)) {
        const auto ticks = parse_ticks(read_proc("/proc/" + std::to_string(one) + "/stat"));
        if (!ticks && one == pid)
            return std::nullopt;
        if (!ticks)
            continue;
        usage.cpu_usec += *ticks * 1'000'000 / static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
        usage.memory_bytes += resident_bytes(one);
        ++usage.processes;
    }
    const auto cgroup = parse_own_cgroup(read_proc(proc + "/cgroup"));
    if (cgroup.empty())
        return usage;
    if (const auto cpu = keyed(read_proc(cgroup + "/cpu.stat"), "usage_usec"))
        usage.cpu_usec = cpu;
    if (const auto memory = number(read_proc(cgroup + "/memory.current")))
        usage.memory_bytes = memory;
    return usage;
}

std::optional<LinkUsage> parse_link(std::string_view proc_net_dev, std::string_view link) {
    std::istringstream lines{std::string(proc_net_dev)};
    for (std::string line; std::getline(lines, line);) {
        const auto colon = line.find(':');
        const auto begin = line.find_first_not_of(' ');
        if (colon == std::string::npos || line.substr(begin, colon - begin) != link)
            continue;
        std::istringstream fields(line.substr(colon + 1));
        uint64_t skipped = 0;
        LinkUsage usage;
        fields >> usage.rx_bytes >> usage.rx_packets;
        for (int i = 0; i < 6; ++i) // errs drop fifo frame compressed multicast
            fields >> skipped;
        if (fields >> usage.tx_bytes >> usage.tx_packets)
            return usage;
    }
    return std::nullopt;
}

std::optional<LinkUsage> link_usage(std::string_view link) {
    return parse_link(read_proc("/proc/self/net/dev"), link);
}

uint64_t allocated_bytes(const std::string& folder) {
    uint64_t bytes = 0;
    std::error_code none;
    for (const auto& file : std::filesystem::directory_iterator(folder, none)) {
        struct stat facts{};
        if (::lstat(file.path().c_str(), &facts) == 0)
            bytes += static_cast<uint64_t>(facts.st_blocks) * 512; // st_blocks counts these, stat(2)
    }
    return bytes;
}

} // namespace banger::daemon
