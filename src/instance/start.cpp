#include "base/error.hpp"
#include "base/file.hpp"
#include "base/undo.hpp"
#include "instance/lifecycle.hpp"
#include "instance/logs.hpp"
#include "instance/mounts.hpp"
#include "instance/probe.hpp"
#include "instance/services.hpp"
#include "instance/supervisor.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <string_view>
#include <thread>

namespace banger::instance {

const char* const warning_text = "warning: a private instance is for trying and testing only: the promises "
                                 "of the system install (hardened units, "
                                 "few capabilities, polkit's prompts, the journal) do not hold in it";

namespace {

constexpr int lock_ms = 120'000;
constexpr int up_ms = 60'000;
constexpr std::chrono::seconds polkit_limit{30};
constexpr std::chrono::seconds state_lock_limit{3};

std::string program_folder() {
    std::error_code failed;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", failed);
    if (failed)
        throw Error(ErrorCode::Internal, "cannot find out which program this is: " + failed.message());
    return program.parent_path().string();
}

std::string now_utc() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", ::gmtime_r(&now, &parts));
    return text.data();
}

/// BANGER_* (log level, test hooks) and the sanitizers' options reach the services; nothing else of our
/// environment does.
std::vector<std::string> passed_on() {
    std::vector<std::string> result;
    for (char** entry = environ; *entry; ++entry) {
        const std::string_view text(*entry);
        const auto name = text.substr(0, text.find('='));
        if (name.ends_with("SAN_OPTIONS") ||
            (name.starts_with("BANGER_") && !name.starts_with("BANGER_INSTANCE") &&
             name != "BANGER_LOG_TARGET"))
            result.emplace_back(text);
    }
    return result;
}

OwnedFd lock_state(const Layout& layout) {
    make_directories(layout.state, 0711);
    auto fd = open_file(layout.state_lock(), O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    // The supervisor of a start that was killed may need a moment to notice.
    const auto deadline = std::chrono::steady_clock::now() + state_lock_limit;
    while (::flock(fd.get(), LOCK_EX | LOCK_NB) < 0 && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) < 0)
        throw Error(ErrorCode::Busy, "another instance is using " + layout.state,
                    "stop that one, or name another folder with --state");
    return fd;
}

/// In a process between: the new namespaces, and their PID 1. Tells the pid, or minus an errno, through
/// `report`.
[[noreturn]] void make_namespaces(const Plan& plan, Channel channel, Lifelines lifelines, int report) {
    constexpr int all = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
    int pid = ::unshare(all) < 0 ? -errno : ::fork();
    if (pid == 0)
        supervise(plan, std::move(channel), std::move(lifelines));
    const bool told = ::write(report, &pid, sizeof pid) == sizeof pid;
    ::_exit(told ? 0 : 1);
}

int make_supervisor(const Plan& plan, Channel channel, Lifelines lifelines) {
    auto [report_read, report_write] = make_pipe();
    const pid_t between = ::fork();
    if (between < 0)
        throw_errno("fork");
    if (between == 0)
        make_namespaces(plan, std::move(channel), std::move(lifelines), report_write.get());
    report_write.reset();
    int pid = 0;
    const bool told = ::read(report_read.get(), &pid, sizeof pid) == sizeof pid;
    ::waitpid(between, nullptr, 0);
    if (!told)
        throw Error(ErrorCode::Internal, "the process that makes the namespaces ended early");
    if (pid < 0)
        throw errno_error("make namespaces", -pid);
    return pid;
}

/// One start, step by step; whatever fails, the rest is taken back.
class Starter {
public:
    Starter(Layout layout, const StartOptions& options)
        : options_(options) {
        plan_.layout = std::move(layout);
        plan_.bindir = program_folder();
        plan_.uplink = wants_uplink(options.network);
        plan_.polkit = options.polkit;
        plan_.passed_on = passed_on();
    }

    void run() {
        const auto& layout = plan_.layout;
        Lifelines lifelines;
        lifelines.state_lock = lock_state(layout);
        undo_.push("remove what was made", [&] { clear_remains(layout); });
        prepare_folders(layout);
        auto [exit_read, exit_write] = make_pipe();
        lifelines.uplink_exit = std::move(exit_write);
        auto [ours, theirs] = Channel::make_pair();
        record_.supervisor = ProcessId::of(make_supervisor(plan_, std::move(theirs), std::move(lifelines)));
        record_.state = layout.state;
        record_.bindir = plan_.bindir;
        record_.started = now_utc();
        write_record(layout, record_);
        if (plan_.uplink)
            add_uplink(exit_read.get());
        bring_up(ours);
        undo_.release();
    }

private:
    void add_uplink(int exit_read) {
        record_.network = "uplink";
        record_.uplink = ProcessId::of(start_uplink(plan_.layout, record_.supervisor.pid, exit_read).pid);
        write_record(plan_.layout, record_);
    }

    void bring_up(Channel& channel) {
        const auto& layout = plan_.layout;
        record_.inner_bindir = services_up(channel);
        ping_bus(layout.session_address());
        if (plan_.polkit)
            wait_for_polkit();
        record_.complete = true;
        write_record(layout, record_);
        channel.send(commit_packet);
    }

    /// Lets the supervisor go on until all its services are started; its answer is where the programs are
    /// inside.
    std::string services_up(Channel& channel) {
        try {
            channel.send(go_packet);
            return channel.receive(up_ms).substr(std::string_view(up_packet).size());
        } catch (Error& error) {
            throw error.at_step("wait for the supervisor")
                .with_details(log_tail(plan_.layout.logs() + "/supervisor.log"));
        }
    }

    void wait_for_polkit() {
        const auto& layout = plan_.layout;
        try {
            wait_for_name(layout.system_address(), "org.freedesktop.PolicyKit1", polkit_limit);
        } catch (Error& error) {
            throw error.at_step("wait for polkitd").with_details(log_tail(layout.logs() + "/polkitd.log"));
        }
    }

    StartOptions options_;
    Plan plan_;
    Record record_;
    UndoStack undo_;
};

void refuse_unfit(const Status& status, const StartOptions& options, const Layout& wanted) {
    const auto stop_it = "stop it first: banger instance stop --name " + options.name;
    if (status.state == State::Degraded)
        throw Error(ErrorCode::FailedPrecondition,
                    "the instance \"" + options.name + "\" runs, but " + status.problems.front(), stop_it);
    if (!options.state.empty() && status.layout.state != wanted.state)
        throw Error(ErrorCode::FailedPrecondition,
                    "the instance \"" + options.name + "\" runs with the state folder " + status.layout.state,
                    stop_it);
}

} // namespace

Started start(const StartOptions& options) {
    require_root();
    const auto layout = layout_of(options.name, options.state);
    check_programs(options.polkit);
    auto lock = Lock::take(layout, lock_ms);
    if (!lock)
        throw Error(ErrorCode::Busy,
                    "another command has been holding the instance \"" + layout.name + "\" for long",
                    "find it with: fuser " + layout.lock);
    auto status = inspect(layout);
    if (status.state == State::Running || status.state == State::Degraded) {
        refuse_unfit(status, options, layout);
        return {std::move(status), false};
    }
    clear_remains(layout); // of one that was killed, or of a start that was
    try {
        Starter(layout, options).run();
    } catch (...) {
        lock->remove_file();
        throw;
    }
    return {inspect(layout), true};
}

} // namespace banger::instance
