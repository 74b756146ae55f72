#include "helper/process_id.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/pidfd.hpp"
#include "base/process.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <sstream>

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
    if (const int error = signal_pidfd(pidfd, number); error != 0 && error != ESRCH)
        throw errno_error("signal the VMM", error);
}

namespace {

constexpr std::chrono::seconds patience{5};
constexpr size_t status_limit = 64 << 10;

/// Parent and session, fields 4 and 6 of /proc/PID/stat; the name before them may hold anything but ends with
/// the last ')'. Zeros when it is gone.
struct Relations {
    int parent = 0;
    int session = 0;
};

Relations relations_of(int pid) {
    Relations found;
    try {
        const auto text = read_file("/proc/" + std::to_string(pid) + "/stat", 8192);
        char state = 0;
        int group = 0;
        const auto at = text.rfind(')');
        if (at != text.npos)
            std::istringstream(text.substr(at + 1)) >> state >> found.parent >> group >> found.session;
    } catch (const Error&) {
        return {}; // it ended meanwhile
    }
    return found;
}

/// Pidfds of who is in the session at this moment, its leader left out.
std::vector<OwnedFd> members_of_session(int leader, uint32_t uid) {
    return processes_where([=](int pid) {
        return pid != leader && session_of(pid) == leader && uid_of(pid) == static_cast<long>(uid);
    });
}

} // namespace

long uid_of(int pid) {
    std::istringstream lines(read_file("/proc/" + std::to_string(pid) + "/status", status_limit));
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("Uid:"))
            return std::strtol(line.c_str() + 4, nullptr, 10);
    return -1;
}

int parent_of(int pid) {
    return relations_of(pid).parent;
}

int session_of(int pid) {
    return relations_of(pid).session;
}

std::vector<OwnedFd> processes_where(const std::function<bool(int pid)>& is_meant) {
    std::vector<OwnedFd> found;
    for (const int pid : all_pids()) {
        try {
            if (!is_meant(pid))
                continue;
            auto pidfd = open_if_alive(identify(pid));
            // Looked at while the pidfd is held and found alive afterwards: it is this process.
            if (pidfd && is_meant(pid) && alive(pidfd.get()))
                found.push_back(std::move(pidfd));
        } catch (const Error&) {
            continue; // it ended while it was looked at
        }
    }
    return found;
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

void kill_all(const std::function<std::vector<OwnedFd>()>& members, const std::string& whose) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    for (auto left = members(); !left.empty(); left = members()) {
        for (const auto& pidfd : left)
            send_signal(pidfd.get(), SIGKILL);
        for (const auto& pidfd : left)
            wait_readable(pidfd.get(), 100);
        if (std::chrono::steady_clock::now() > deadline)
            throw Error(ErrorCode::Timeout, "processes " + whose + " do not end although they were killed",
                        "they hang in the kernel; try again later");
    }
}

void kill_session(const ProcessId& leader, uint32_t uid) {
    const auto now = identify(leader.pid);
    // The kernel gives a pid to nobody else while it is a session's id (detach_pid, kernel/pid.c): another
    // process of that pid means that the session has ended.
    if (leader.pid < 2 || leader.boot != boot_id() || (now.start != 0 && now.start != leader.start))
        return;
    if (const auto head = open_if_alive(leader)) {
        send_signal(head.get(), SIGKILL);
        wait_readable(head.get(), 1000);
    }
    kill_all([&] { return members_of_session(leader.pid, uid); }, "of a session that is over");
}

} // namespace banger::helper
