#include "agent/exec_child.hpp"

#include "agent/users.hpp"
#include "base/file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace banger::agent {

namespace {

constexpr const char* default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the child tells about a failure before exec, through a pipe that exec closes.
enum class Stage : int { Terminal, User, Directory, Exec };
struct Failure {
    Stage stage;
    int error_number;
};

/// Everything that the child needs, made before it is there, so that it only makes system calls: its memory
/// is ours.
struct Plan {
    User user;
    std::string directory;
    bool directory_asked = false;
    std::vector<std::string> environment;
    std::vector<char*> argv;
    std::vector<char*> envp;
    std::vector<std::string> candidates;      ///< paths to try, as execvp(3) would
    int input = -1, output = -1, errors = -1; ///< the child's ends
    bool tty = false;
};

void set_variable(std::vector<std::string>& environment, const std::string& name, const std::string& value) {
    const auto prefix = name + "=";
    std::erase_if(environment, [&](const std::string& entry) { return entry.starts_with(prefix); });
    environment.push_back(prefix + value);
}

std::vector<std::string> environment_for(const ExecRequest& request, const User& user) {
    std::vector<std::string> environment;
    set_variable(environment, "PATH", default_path);
    set_variable(environment, "HOME", user.home.empty() ? "/" : user.home);
    set_variable(environment, "USER", user.name);
    set_variable(environment, "LOGNAME", user.name);
    if (!user.shell.empty())
        set_variable(environment, "SHELL", user.shell);
    if (request.tty || !request.term.empty())
        set_variable(environment, "TERM", request.term.empty() ? "linux" : request.term);
    for (const auto& [name, value] : request.env)
        set_variable(environment, name, value);
    return environment;
}

std::vector<std::string> candidates_for(const std::string& program,
                                        const std::vector<std::string>& environment) {
    if (program.find('/') != program.npos)
        return {program};
    std::string path;
    for (const auto& entry : environment)
        if (entry.starts_with("PATH="))
            path = entry.substr(5);
    std::vector<std::string> candidates;
    for (size_t start = 0; start <= path.size();) {
        const auto end = std::min(path.find(':', start), path.size());
        const auto folder = path.substr(start, end - start);
        candidates.push_back((folder.empty() ? "." : folder) + "/" + program);
        start = end + 1;
    }
    return candidates;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> result;
    result.reserve(texts.size() + 1);
    for (const auto& text : texts)
        result.push_back(const_cast<char*>(text.c_str()));
    result.push_back(nullptr);
    return result;
}

/// Tries the candidates; the error is that of execvp(3): EACCES if any was there but not allowed, else the
/// last.
int execute(Plan& plan) {
    int error_number = ENOENT;
    for (const auto& candidate : plan.candidates) {
        ::execve(candidate.c_str(), plan.argv.data(), plan.envp.data());
        if (errno == ENOENT || errno == ENOTDIR)
            continue;
        error_number = errno;
        if (errno != EACCES)
            break;
    }
    return error_number;
}

void reset_signals() {
    for (int signal = 1; signal < NSIG; signal++)
        ::signal(signal, SIG_DFL); // fails for SIGKILL, SIGSTOP and libc's own: harmless
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// The agent is spared by the OOM killer; its commands are not.
void be_killable() {
    const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && ::write(fd, "0", 1) < 0)
        errno = 0; // stays spared: nothing that the command could not live with
    ::close(fd);
}

bool become(const User& user) {
    if (user.uid == ::geteuid() && user.uid != 0)
        return true; // outside of a guest, run by an ordinary user
    return ::setgroups(user.groups.size(), user.groups.data()) == 0 &&
           ::setresgid(user.gid, user.gid, user.gid) == 0 && ::setresuid(user.uid, user.uid, user.uid) == 0;
}

[[noreturn]] void in_child(Plan& plan, int report) {
    const auto fail = [report](Stage stage) {
        const Failure failure{stage, errno};
        const auto written = ::write(report, &failure, sizeof failure);
        ::_exit(written < 0 ? 126 : 127);
    };
    reset_signals();
    be_killable();
    ::setsid();
    if (plan.tty && ::ioctl(plan.input, TIOCSCTTY, 0) < 0)
        fail(Stage::Terminal);
    if (plan.tty && ::fchown(plan.input, plan.user.uid, static_cast<gid_t>(-1)) < 0 && ::geteuid() == 0)
        fail(Stage::Terminal);
    if (::dup2(plan.input, 0) < 0 || ::dup2(plan.output, 1) < 0 || ::dup2(plan.errors, 2) < 0)
        fail(Stage::Terminal);
    if (!become(plan.user))
        fail(Stage::User);
    if (::chdir(plan.directory.c_str()) < 0 && (plan.directory_asked || ::chdir("/") < 0))
        fail(Stage::Directory);
    ::umask(022);
    errno = execute(plan);
    fail(Stage::Exec);
    ::_exit(127);
}

OwnedFd open_terminal(const ExecRequest& request, OwnedFd& slave) {
    auto master = open_file("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
    int unlocked = 0;
    if (::ioctl(master.get(), TIOCSPTLCK, &unlocked) < 0)
        throw_errno("unlock terminal");
    // Through the master, and so independent of where devpts is mounted (ioctl_tty(2)).
    slave.reset(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!slave)
        throw_errno("open terminal");
    winsize size{};
    size.ws_row = request.rows;
    size.ws_col = request.cols;
    ::ioctl(master.get(), TIOCSWINSZ, &size);
    return master;
}

void make_nonblocking(int fd) {
    if (::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
        throw_errno("fcntl");
}

struct ChildEnds {
    OwnedFd input, output, errors;
};

/// Makes the pipes or the terminal: ours into `command`, the child's into the result and the plan.
ChildEnds connect(const ExecRequest& request, Command& command, Plan& plan) {
    ChildEnds child;
    if (request.tty) {
        command.input = open_terminal(request, child.input);
        command.output = command.input.duplicate();
        plan.input = plan.output = plan.errors = child.input.get();
        return child;
    }
    std::tie(child.input, command.input) = make_pipe();
    std::tie(command.output, child.output) = make_pipe();
    std::tie(command.errors, child.errors) = make_pipe();
    for (const auto* fd : {&command.input, &command.output, &command.errors})
        make_nonblocking(fd->get());
    plan.input = child.input.get();
    plan.output = child.output.get();
    plan.errors = child.errors.get();
    return child;
}

NotExecuted judge(const Failure& failure, const ExecRequest& request, const Plan& plan) {
    switch (failure.stage) {
    case Stage::Directory:
        throw errno_error("working directory " + plan.directory + " in the guest", failure.error_number);
    case Stage::User:
        throw errno_error("become user " + plan.user.name + " in the guest", failure.error_number);
    case Stage::Terminal:
        throw errno_error("set up the command's terminal", failure.error_number);
    case Stage::Exec:
        break;
    }
    const auto& program = request.argv.front();
    if (failure.error_number != ENOENT)
        return {program + ": " + std::strerror(failure.error_number) + "\n", 126};
    const bool is_path = program.find('/') != program.npos;
    return {program + (is_path ? ": No such file or directory\n" : ": command not found\n"), 127};
}

/// Field `index` of /proc/PID/stat after the name, which may hold anything (proc(5)); -1 when the process is
/// gone.
pid_t session_of(const char* pid) {
    try {
        const auto stat = read_file(std::string("/proc/") + pid + "/stat", 4096);
        const auto end = stat.rfind(')');
        int state_parent_group = 0;
        auto at = end;
        while (at != stat.npos && state_parent_group < 4) // before state, parent, group, session
            at = stat.find(' ', at + 1), state_parent_group++;
        if (at == stat.npos)
            return -1;
        pid_t session = -1;
        std::from_chars(stat.data() + at + 1, stat.data() + stat.size(), session);
        return session;
    } catch (const Error&) {
        return -1;
    }
}

void kill_session(pid_t session) {
    const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), ::closedir);
    while (const dirent* entry = proc ? ::readdir(proc.get()) : nullptr)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && session_of(entry->d_name) == session)
            ::kill(std::atoi(entry->d_name), SIGKILL);
}

Plan plan_for(const ExecRequest& request) {
    Plan plan;
    plan.user = find_user(request.user);
    plan.tty = request.tty;
    plan.directory_asked = !request.cwd.empty();
    plan.directory = plan.directory_asked ? request.cwd : plan.user.home;
    plan.environment = environment_for(request, plan.user);
    plan.candidates = candidates_for(request.argv.front(), plan.environment);
    plan.argv = pointers(request.argv);
    plan.envp = pointers(plan.environment);
    return plan;
}

} // namespace

StartResult start_command(const ExecRequest& request) {
    auto plan = plan_for(request);
    Command command;
    auto [report_read, report_write] = make_pipe();
    auto child = connect(request, command, plan);
    // Without copying a page, of which none would be used, which is dear where the MMU is emulated. The child
    // has descriptors and signal actions of its own, and this process waits for its exec anyway.
    command.pid = ::vfork(); // NOLINT(clang-analyzer-security.insecureAPI.vfork)
    if (command.pid < 0)
        throw_errno("fork");
    if (command.pid == 0)
        in_child(plan, report_write.get());
    command.pidfd = open_pidfd(command.pid);
    child = {};
    report_write.reset();
    Failure failure{};
    const auto told = read_all(report_read.get(), sizeof failure, "start of the command");
    if (told.size() < sizeof failure)
        return command;
    ::waitpid(command.pid, nullptr, 0);
    std::memcpy(&failure, told.data(), sizeof failure);
    return judge(failure, request, plan);
}

void signal_command(pid_t pid, int signal) noexcept {
    ::kill(-pid, signal);
    if (signal != SIGKILL)
        return;
    try {
        kill_session(pid);
    } catch (const std::exception&) {
        // No memory for the search: the group has been signalled.
    }
}

} // namespace banger::agent
