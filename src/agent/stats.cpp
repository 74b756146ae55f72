// What the guest's kernel says of memory, load and disks.
#include "agent/session.hpp"
#include "base/file.hpp"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <array>
#include <charconv>
#include <ctime>

namespace banger::agent {

namespace {

constexpr uint64_t thousand = 1000;

/// Takes spaces and then a number off the front; 0 where there is none.
uint64_t take_number(std::string_view& text) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    uint64_t number = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    return problem == std::errc{} ? number : 0;
}

/// "0.25" → 250: the kernel writes two digits after the point (proc(5)).
uint64_t take_load(std::string_view& text) {
    const auto whole = take_number(text);
    text.remove_prefix(text.starts_with('.') ? 1 : 0);
    const auto hundredths = take_number(text);
    return std::min<uint64_t>(whole, UINT32_MAX) * thousand + std::min<uint64_t>(hundredths, 99) * 10;
}

void add_disk(const char* path, GuestStats& stats) {
    struct statvfs room{};
    if (::statvfs(path, &room) == 0)
        stats.disks.push_back({path, room.f_blocks * room.f_frsize, room.f_bavail * room.f_frsize});
}

bool on_filesystem_of_its_own(const char* path) {
    struct stat itself{};
    struct stat root{};
    return ::stat(path, &itself) == 0 && ::stat("/", &root) == 0 && itself.st_dev != root.st_dev;
}

} // namespace

void read_meminfo(std::string_view text, GuestStats& stats) {
    const auto bytes = [&](std::string_view key) -> uint64_t {
        const auto at = text.find(key);
        if (at == text.npos || (at > 0 && text[at - 1] != '\n'))
            return 0;
        auto rest = text.substr(at + key.size());
        constexpr uint64_t unit = 1024; // "kB" there means KiB, proc(5)
        return std::min(take_number(rest), uint64_t{INT64_MAX} / unit) * unit;
    };
    stats.memory_total = bytes("MemTotal:");
    stats.memory_available = bytes("MemAvailable:");
}

void read_loadavg(std::string_view text, GuestStats& stats) {
    stats.load_1 = take_load(text);
    stats.load_5 = take_load(text);
    stats.load_15 = take_load(text);
    const auto slash = text.find('/'); // "1/123": runnable and all
    if (slash == text.npos)
        return;
    text.remove_prefix(slash + 1);
    stats.processes = take_number(text);
}

GuestStats guest_stats() {
    GuestStats stats;
    timespec uptime{};
    ::clock_gettime(CLOCK_BOOTTIME, &uptime);
    stats.uptime_ms =
        static_cast<uint64_t>(uptime.tv_sec) * thousand + static_cast<uint64_t>(uptime.tv_nsec) / 1'000'000;
    read_meminfo(read_file("/proc/meminfo"), stats);
    read_loadavg(read_file("/proc/loadavg"), stats);
    add_disk("/", stats);
    if (on_filesystem_of_its_own("/root"))
        add_disk("/root", stats);
    return stats;
}

} // namespace banger::agent
