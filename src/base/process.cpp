#include "base/process.hpp"

#include "base/error.hpp"
#include "base/file.hpp"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace banger {

namespace {

constexpr size_t kept_errors = 8192;
constexpr int exec_patience_ms = 30'000;

std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> result;
    result.reserve(texts.size() + 1);
    for (const auto& text : texts)
        result.push_back(const_cast<char*>(text.c_str()));
    result.push_back(nullptr);
    return result;
}

/// What runs between fork and exec: only async-signal-safe calls (signal-safety(7)), everything prepared
/// before.
struct Launchpad {
    const ProcessSpec& spec;
    std::vector<std::string> words;
    std::vector<char*> argv;
    std::vector<char*> envp;
    std::vector<int> needed; ///< all descriptors that the child uses, ascending
    int report_fd;
    pid_t parent = ::getpid();

    Launchpad(const ProcessSpec& s, int report)
        : spec(s)
        , report_fd(report) {
        words.push_back(s.program);
        words.insert(words.end(), s.arguments.begin(), s.arguments.end());
        argv = pointers(words);
        envp = pointers(s.environment);
        needed = s.inherited;
        needed.insert(needed.end(), {s.stdin_fd, s.stdout_fd, s.stderr_fd, s.go_fd, report});
        std::sort(needed.begin(), needed.end());
    }

    /// Reports errno; of the change of uid, as a negative number.
    [[noreturn]] void fail(bool of_uid = false) const {
        const int error_number = of_uid ? -errno : errno;
        if (spec.go_fd < 0 && ::write(report_fd, &error_number, sizeof error_number) < 0)
            ::_exit(126);
        ::_exit(127);
    }

    void reset_signals() const {
        sigset_t none;
        ::sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        for (int number = 1; number < NSIG; ++number)
            ::signal(number, SIG_DFL);
    }

    /// Until exec the child would have copies of all that the parent has open: the writing end of its own
    /// gate, whose end of file would then never come, and locks and files that whoever may signal or trace
    /// the child from become_user() on has no business with.
    void close_the_rest() const {
        unsigned next = 3;
        for (const int fd : needed) {
            const auto kept = static_cast<unsigned>(fd);
            if (fd < 0 || kept < next)
                continue;
            if (kept > next)
                ::syscall(SYS_close_range, next, kept - 1, 0);
            next = kept + 1;
        }
        ::syscall(SYS_close_range, next, ~0U, 0);
    }

    /// Waits for the parent's byte; exits when the parent is gone.
    void pass_gate() const {
        char byte;
        if (::read(spec.go_fd, &byte, 1) != 1)
            ::_exit(127);
    }

    void place_standard_fds() const {
        const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        // Moved out of 0–2 first, so that placing one cannot overwrite the source of another.
        std::array<int, 3> from{spec.stdin_fd, spec.stdout_fd, spec.stderr_fd};
        for (auto& fd : from) {
            fd = ::fcntl(fd < 0 ? null : fd, F_DUPFD_CLOEXEC, 3);
            if (fd < 0)
                fail();
        }
        for (int target = 0; target < 3; ++target)
            if (::dup2(from[static_cast<size_t>(target)], target) < 0)
                fail();
    }

    void keep_inherited() const {
        ::syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
        for (const int fd : spec.inherited)
            if (::fcntl(fd, F_SETFD, 0) < 0)
                fail();
    }

    void become_user() const {
        if (spec.no_new_privileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
            fail();
        if (!spec.uid_gid)
            return;
        const auto [uid, gid] = *spec.uid_gid;
        if (::setgroups(0, nullptr) < 0 || ::setresgid(gid, gid, gid) < 0 || ::setresuid(uid, uid, uid) < 0)
            fail(true);
    }

    void die_with_parent() const {
        if (!spec.parent_death_signal)
            return;
        if (::prctl(PR_SET_PDEATHSIG, spec.parent_death_signal) < 0)
            fail();
        if (::getppid() != parent)
            ::_exit(127);
    }

    [[noreturn]] void go() const {
        reset_signals();
        if (spec.new_session)
            ::setsid();
        close_the_rest();
        if (spec.go_fd >= 0)
            pass_gate();
        place_standard_fds();
        keep_inherited();
        become_user();
        die_with_parent();
        if (::chdir(spec.directory.empty() ? "/" : spec.directory.c_str()) < 0)
            fail();
        ::execve(spec.program.c_str(), argv.data(), envp.data());
        fail();
    }
};

/// Reads what is there into `text`; false at end of file.
bool drain(int fd, std::string& text) {
    char buffer[16384];
    const auto n = ::read(fd, buffer, sizeof buffer);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    text.append(buffer, static_cast<size_t>(n));
    return n > 0;
}

/// The two outputs of a running child, collected until both end.
class Collector {
public:
    Collector(const RunLimits& limits, std::string display)
        : limits_(limits)
        , display_(std::move(display))
        , deadline_(std::chrono::steady_clock::now() + limits.timeout) {}

    void collect(int out, int err, RunResult& result) {
        std::array<pollfd, 2> fds{{{out, POLLIN, 0}, {err, POLLIN, 0}}};
        while (fds[0].fd >= 0 || fds[1].fd >= 0) {
            check();
            if (::poll(fds.data(), fds.size(), 50) < 0 && errno != EINTR)
                throw_errno("poll");
            if (fds[0].revents && !drain(fds[0].fd, result.output))
                fds[0].fd = -1;
            if (fds[1].revents && !drain(fds[1].fd, result.errors))
                fds[1].fd = -1;
            if (result.output.size() > limits_.output)
                throw Error(ErrorCode::Internal, display_ + " printed more than expected");
            if (result.errors.size() > 2 * kept_errors)
                result.errors.erase(0, result.errors.size() - kept_errors);
        }
    }

    /// Throws when stopped or late.
    void check() const {
        if (limits_.stop.stop_requested())
            throw Error(ErrorCode::Cancelled, display_ + " was cancelled");
        if (std::chrono::steady_clock::now() > deadline_)
            throw Error(ErrorCode::Timeout, display_ + " took longer than " +
                                                std::to_string(limits_.timeout.count() / 1000) + " s");
    }

private:
    const RunLimits& limits_;
    std::string display_;
    std::chrono::steady_clock::time_point deadline_;
};

/// From what Launchpad::fail() reports.
Error start_error(const ProcessSpec& spec, int reported) {
    if (reported >= 0 || !spec.uid_gid)
        return errno_error("run " + spec.program, reported);
    const auto id = std::to_string(spec.uid_gid->first);
    if (reported == -EINVAL) // user_namespaces(7), "User and group ID mappings"
        return {ErrorCode::FailedPrecondition,
                "there is no uid and gid " + id + " here to run " + spec.program,
                "a container must have it in its maps: /proc/self/uid_map, /proc/self/gid_map"};
    return errno_error("become uid " + id + " to run " + spec.program, -reported);
}

} // namespace

std::string ProcessSpec::display() const {
    auto text = program;
    for (const auto& word : arguments)
        text += " " + word;
    return text;
}

Child spawn(const ProcessSpec& spec) {
    auto [report_read, report_write] = make_pipe();
    const Launchpad pad(spec, report_write.get());
    const pid_t pid = ::fork();
    if (pid < 0)
        throw_errno("fork for " + spec.program);
    if (pid == 0)
        pad.go();
    report_write.reset();
    Child child{pid, open_pidfd(pid)};
    if (spec.go_fd >= 0)
        return child;
    // The child's new user may stop it before it has executed anything.
    if (!wait_readable(report_read.get(), exec_patience_ms)) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        throw Error(ErrorCode::Timeout, "run " + spec.program + ": it did not start in time");
    }
    int error_number = 0;
    if (::read(report_read.get(), &error_number, sizeof error_number) == sizeof error_number) {
        ::waitpid(pid, nullptr, 0);
        throw start_error(spec, error_number);
    }
    return child;
}

int shell_status(int wait_status) noexcept {
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

std::optional<int> wait_child(const Child& child, int timeout_ms) {
    if (!wait_readable(child.pidfd.get(), timeout_ms))
        return std::nullopt;
    int status = 0;
    while (::waitpid(child.pid, &status, 0) < 0)
        if (errno != EINTR)
            throw_errno("wait for process " + std::to_string(child.pid));
    return shell_status(status);
}

RunResult run(ProcessSpec spec, const RunLimits& limits) {
    auto [out_read, out_write] = make_pipe();
    auto [err_read, err_write] = make_pipe();
    const bool collect_output = spec.stdout_fd < 0;
    if (collect_output)
        spec.stdout_fd = out_write.get();
    spec.stderr_fd = err_write.get();
    spec.new_session = true; // its own process group, to be killed whole
    const auto child = spawn(spec);
    out_write.reset();
    err_write.reset();
    RunResult result;
    Collector collector(limits, spec.program);
    try {
        if (limits.started)
            limits.started(child.pid);
        collector.collect(collect_output ? out_read.get() : -1, err_read.get(), result);
        std::optional<int> status;
        while (!(status = wait_child(child, 50)))
            collector.check();
        result.status = *status;
    } catch (...) {
        ::kill(-child.pid, SIGKILL);
        wait_child(child);
        throw;
    }
    if (result.errors.size() > kept_errors)
        result.errors.erase(0, result.errors.size() - kept_errors);
    return result;
}

std::string run_checked(ProcessSpec spec, const RunLimits& limits) {
    auto name = spec.program;
    auto result = run(std::move(spec), limits);
    if (result.status != 0)
        throw Error(ErrorCode::Internal, name + " failed with status " + std::to_string(result.status))
            .with_details(result.errors);
    return std::move(result.output);
}

std::string find_program(const std::string& name, const std::string& package) {
    for (const char* folder :
         {"/usr/local/bin/", "/usr/bin/", "/bin/", "/usr/local/sbin/", "/usr/sbin/", "/sbin/"})
        if (const auto path = folder + name; ::access(path.c_str(), X_OK) == 0)
            return path;
    throw Error(ErrorCode::Unavailable, name + " is not installed",
                "install it: your distribution's package is likely called " + package);
}

unsigned long long process_start_time(int pid) {
    std::string text;
    try {
        text = read_file("/proc/" + std::to_string(pid) + "/stat", 8192);
    } catch (const Error&) {
        return 0;
    }
    // The command name, in parentheses, may hold anything: count fields from its last parenthesis, which ends
    // field 2.
    size_t at = text.rfind(')');
    for (int field = 2; field < 22 && at != text.npos; ++field)
        at = text.find(' ', at + 1);
    return at == text.npos ? 0 : std::strtoull(text.c_str() + at + 1, nullptr, 10);
}

} // namespace banger
