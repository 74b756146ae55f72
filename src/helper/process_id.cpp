#include "helper/process_id.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <utility>

namespace banger::helper {

const std::string& boot_id() {
    static const std::string id = [] {
        auto text = read_file("/proc/sys/kernel/random/boot_id", 64);
        while (!text.empty() && text.back() == '\n')
            text.pop_back();
        return text;
    }();
    return id;
}

ProcessId identify(int pid) {
    return {pid, process_start_time(pid), boot_id()};
}

OwnedFd open_if_alive(const ProcessId& id) {
    if (id.pid < 2 || id.start == 0 || id.boot != boot_id())
        return {};
    OwnedFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, id.pid, 0)));
    // The start time is read after opening: if it is right now, the descriptor is of the process that had it.
    if (!pidfd || process_start_time(id.pid) != id.start || !alive(pidfd.get()))
        return {};
    return pidfd;
}

bool alive(int pidfd) {
    return !wait_readable(pidfd, 0);
}

void send_signal(int pidfd, int number) {
    if (::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0) < 0 && errno != ESRCH)
        throw_errno("signal the VMM");
}

namespace {

/// State and parent, fields 3 and 4 of /proc/PID/stat; the name before them may hold anything but ends with
/// the last ')'.
std::pair<char, int> state_and_parent(int pid) {
    try {
        const auto text = read_file("/proc/" + std::to_string(pid) + "/stat", 8192);
        const auto at = text.rfind(") ");
        if (at != text.npos && text.size() > at + 4)
            return {text[at + 2], std::atoi(text.c_str() + at + 4)};
    } catch (const Error&) {
        return {'?', 0}; // it ended meanwhile
    }
    return {'?', 0};
}

void wait_until_stopped(int pid) {
    for (int i = 0; i < 50 && state_and_parent(pid).first != 'T'; ++i)
        ::usleep(1000);
}

} // namespace

int parent_of(int pid) {
    return state_and_parent(pid).second;
}

std::vector<int> all_pids() {
    std::vector<int> pids;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        const auto name = entry.path().filename().string();
        if (std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; }))
            pids.push_back(std::atoi(name.c_str()));
    }
    return pids;
}

void kill_family(const ProcessId& id) {
    const auto head = open_if_alive(id);
    if (!head)
        return;
    send_signal(head.get(), SIGSTOP);
    wait_until_stopped(id.pid);
    for (const int pid : all_pids()) {
        const auto child = identify(pid);
        if (const auto pidfd = open_if_alive(child); pidfd && parent_of(pid) == id.pid)
            send_signal(pidfd.get(), SIGKILL);
    }
    send_signal(head.get(), SIGKILL);
    wait_readable(head.get(), 1000);
}

} // namespace banger::helper
