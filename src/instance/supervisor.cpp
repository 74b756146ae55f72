#include "instance/supervisor.hpp"

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/process.hpp"
#include "instance/logs.hpp"
#include "instance/record.hpp"
#include "instance/services.hpp"
#include "instance/shutdown.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <deque>

namespace banger::instance {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int go_timeout_ms = 30'000;
constexpr int bus_timeout_ms = 20'000;
constexpr int trim_interval_ms = 30'000;
constexpr size_t restart_limit = 5; ///< of polkitd, per minute

std::string how_it_ended(int wait_status) {
    return WIFSIGNALED(wait_status) ? "killed by signal " + std::to_string(WTERMSIG(wait_status))
                                    : "exit status " + std::to_string(WEXITSTATUS(wait_status));
}

class Supervisor {
public:
    Supervisor(const Plan& plan, Channel& channel)
        : plan_(plan)
        , channel_(channel) {}

    /// Everything up to "up".
    void start() {
        take_signals();
        if (channel_.receive(go_timeout_ms) != go_packet)
            throw Error(ErrorCode::Internal, "the start said something unexpected");
        step("set up the machine", [&] { bindir_ = set_up_machine(plan_); });
        step("write the buses' configuration", [&] { write_bus_files(plan_.layout, bindir_); });
        step("start the system bus", [&] { start_bus("system-bus", system_bus_spec); });
        step("start the session bus", [&] { start_bus("session-bus", session_bus_spec); });
        services_.push_back({"polkitd", -1, ServiceState::Off, 0, {}});
        if (plan_.polkit)
            step("start polkitd", [&] { start_polkitd(); });
        record();
        channel_.send(up_packet + bindir_);
    }

    /// Until SIGTERM, or until the start goes away without having committed.
    void run() {
        bool committed = false;
        while (!ending_) {
            std::array<pollfd, 2> fds{
                {{signals_.get(), POLLIN, 0}, {committed ? -1 : channel_.fd(), POLLIN, 0}}};
            const int ready = ::poll(fds.data(), fds.size(), trim_interval_ms);
            if (ready == 0)
                trim_logs(inner_logs);
            if (ready > 0 && fds[1].revents) {
                if (channel_.receive(0) != commit_packet)
                    return;
                committed = true;
                channel_.close();
            }
            if (ready > 0 && fds[0].revents)
                take_signal();
        }
        log::info("asked to end");
        std::vector<int> pids;
        for (const auto& service : services_)
            if (service.state == ServiceState::Running)
                pids.push_back(service.pid);
        end_processes(pids);
    }

private:
    template <class Work>
    void step(const char* name, Work work) {
        try {
            work();
        } catch (Error& error) {
            throw error.at_step(name);
        }
    }

    void take_signals() {
        sigset_t set;
        ::sigemptyset(&set);
        for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGHUP})
            ::sigaddset(&set, number);
        // PID 1 gets no signal that it has neither blocked nor handled (pid_namespaces(7)).
        ::sigprocmask(SIG_SETMASK, &set, nullptr);
        signals_ = OwnedFd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
        if (!signals_)
            throw_errno("signalfd");
    }

    OwnedFd log_file(const std::string& name) const {
        return open_file(std::string(inner_logs) + "/" + name + ".log", O_WRONLY | O_CREAT | O_APPEND, 0644);
    }

    using BusSpec = ProcessSpec (*)(const Plan&, const std::string&, int, int);

    void start_bus(const std::string& name, BusSpec make_spec) {
        auto [ready_read, ready_write] = make_pipe();
        const auto log = log_file(name);
        const auto child = spawn(make_spec(plan_, bindir_, ready_write.get(), log.get()));
        ready_write.reset();
        services_.push_back({name, child.pid, ServiceState::Running, 0, {}});
        std::array<pollfd, 2> fds{{{ready_read.get(), POLLIN, 0}, {channel_.fd(), POLLIN, 0}}};
        if (::poll(fds.data(), fds.size(), bus_timeout_ms) <= 0)
            throw Error(ErrorCode::Timeout, name + " did not begin to listen");
        if (fds[1].revents)
            throw Error(ErrorCode::Cancelled, "the start was given up");
        char byte = 0;
        if (::read(ready_read.get(), &byte, 1) != 1)
            throw Error(ErrorCode::Unavailable, name + " did not start")
                .with_details(log_tail(std::string(inner_logs) + "/" + name + ".log"));
    }

    void start_polkitd() {
        const auto log = log_file("polkitd");
        auto& service = named("polkitd");
        service.pid = spawn(polkitd_spec(plan_, bindir_, log.get())).pid;
        service.state = ServiceState::Running;
    }

    Service& named(const std::string& name) {
        return *std::find_if(services_.begin(), services_.end(),
                             [&](const auto& s) { return s.name == name; });
    }

    void record() const { write_services(plan_.layout, services_); }

    void take_signal() {
        signalfd_siginfo info{};
        while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
            if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
                ending_ = true;
            if (info.ssi_signo == SIGCHLD)
                reap();
        }
    }

    /// Whatever ended: our services, and orphans, which the kernel gives to PID 1.
    void reap() {
        int status = 0;
        for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;)
            for (auto& service : services_)
                if (service.pid == pid && service.state == ServiceState::Running)
                    lost(service, status);
    }

    void lost(Service& service, int status) {
        service.state = ServiceState::Died;
        service.why = how_it_ended(status);
        log::warning(service.name + " died: " + service.why);
        if (service.name == "polkitd")
            restart_polkitd(service);
        record();
    }

    void restart_polkitd(Service& service) {
        const auto now = Clock::now();
        while (!restarts_.empty() && now - restarts_.front() > std::chrono::minutes(1))
            restarts_.pop_front();
        if (restarts_.size() >= restart_limit) {
            log::error("polkitd dies too often; it is not started again");
            return;
        }
        restarts_.push_back(now);
        try {
            start_polkitd();
            ++service.restarts;
        } catch (const Error& error) {
            log::error("polkitd cannot be started again: " + error.message());
        }
    }

    const Plan& plan_;
    Channel& channel_;
    OwnedFd signals_;
    std::string bindir_;
    std::vector<Service> services_;
    std::deque<Clock::time_point> restarts_;
    bool ending_ = false;
};

/// Nothing of the command that started us stays open, nor its terminal, nor its folder.
void detach(const Layout& layout, const Channel& channel, const Lifelines& lifelines) {
    ::setsid();
    ::umask(022);
    ::prctl(PR_SET_NAME, "banger-instance");
    const auto log = open_file(layout.logs() + "/supervisor.log", O_WRONLY | O_CREAT | O_APPEND, 0644);
    const auto null = open_file("/dev/null", O_RDWR);
    if (::dup2(null.get(), 0) < 0 || ::dup2(log.get(), 1) < 0 || ::dup2(log.get(), 2) < 0 || ::chdir("/") < 0)
        throw_errno("detach from the caller");
    std::array<int, 3> kept{channel.fd(), lifelines.uplink_exit.get(), lifelines.state_lock.get()};
    std::sort(kept.begin(), kept.end());
    unsigned from = 3;
    for (const int fd : kept) {
        if (fd < static_cast<int>(from))
            continue;
        if (static_cast<unsigned>(fd) > from)
            ::close_range(from, static_cast<unsigned>(fd) - 1, 0);
        from = static_cast<unsigned>(fd) + 1;
    }
    ::close_range(from, ~0U, 0);
}

} // namespace

void supervise(const Plan& plan, Channel channel, Lifelines lifelines) noexcept {
    int status = 1;
    try {
        detach(plan.layout, channel, lifelines);
        ::setenv("BANGER_LOG_TARGET", "stderr", 1);
        log::open("banger-instance");
        Supervisor supervisor(plan, channel);
        supervisor.start();
        supervisor.run();
        status = 0;
    } catch (const Error& error) {
        channel.send_error(error);
    } catch (const std::exception& error) {
        channel.send_error(Error(ErrorCode::Internal, error.what()));
    }
    ::_exit(status);
}

} // namespace banger::instance
