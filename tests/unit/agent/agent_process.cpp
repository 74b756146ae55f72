#include "agent_process.hpp"

#include "base/error.hpp"
#include "base/file.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>

TemporaryFolder::TemporaryFolder() {
    char name[] = "/tmp/banger-agent-test-XXXXXX";
    if (!::mkdtemp(name))
        banger::throw_errno("mkdtemp");
    path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

AgentProcess& AgentProcess::instance() {
    static AgentProcess agent;
    return agent;
}

AgentProcess::AgentProcess() {
    const banger::OwnedFd watch(::inotify_init1(IN_CLOEXEC));
    ::inotify_add_watch(watch.get(), folder_.path().c_str(), IN_CREATE);
    banger::ProcessSpec spec;
    spec.program = BANGER_AGENT;
    spec.arguments = {"--listen", folder_.path("socket")};
    spec.stderr_fd = STDERR_FILENO;
    spec.parent_death_signal = SIGKILL;
    child_ = banger::spawn(spec);
    if (!banger::wait_readable(watch.get(), 20000))
        throw banger::Error(banger::ErrorCode::Timeout, "the agent made no socket");
}

AgentProcess::~AgentProcess() {
    ::kill(child_.pid, SIGTERM);
    banger::wait_child(child_, 5000);
}

banger::OwnedFd AgentProcess::connect() const {
    // The socket is there before it listens, by a moment.
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    for (;;) {
        try {
            return banger::connect_unix(folder_.path("socket"));
        } catch (const banger::Error&) {
            if (std::chrono::steady_clock::now() > limit)
                throw;
            ::usleep(1000);
        }
    }
}
