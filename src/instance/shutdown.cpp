#include "instance/shutdown.hpp"

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/log.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>

namespace banger::instance {

namespace {

using Clock = std::chrono::steady_clock;

std::vector<int> processes_but(const std::vector<int>& spared) {
    std::vector<int> pids;
    for (const auto& item : std::filesystem::directory_iterator("/proc")) {
        const auto name = item.path().filename().string();
        int pid = 0;
        const auto end = std::from_chars(name.data(), name.data() + name.size(), pid).ptr;
        if (end == name.data() + name.size() && pid > 1 &&
            std::find(spared.begin(), spared.end(), pid) == spared.end())
            pids.push_back(pid);
    }
    return pids;
}

void end_and_wait(const std::vector<int>& pids, std::chrono::milliseconds limit) {
    std::vector<OwnedFd> ending;
    for (const int pid : pids)
        try {
            ending.push_back(open_pidfd(pid));
            ::kill(pid, SIGTERM);
            ::kill(pid, SIGCONT);
        } catch (const Error&) {
            continue; // it has ended by itself
        }
    const auto deadline = Clock::now() + limit;
    for (const auto& fd : ending) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        wait_readable(fd.get(), static_cast<int>(std::max<long>(left, 0)));
    }
}

} // namespace

void end_processes(const std::vector<int>& services) noexcept {
    try {
        end_and_wait(processes_but(services), std::chrono::seconds(5));
        end_and_wait(services, std::chrono::seconds(2));
    } catch (const std::exception& error) {
        log::warning(std::string("ending the instance's processes: ") + error.what());
    }
}

} // namespace banger::instance
