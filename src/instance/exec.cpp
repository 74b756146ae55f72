#include "instance/exec.hpp"

#include "base/error.hpp"
#include "base/process.hpp"
#include "instance/accounts.hpp"
#include "instance/channel.hpp"
#include "instance/services.hpp"

#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <string_view>

namespace banger::instance {

namespace {

constexpr std::array forwarded{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH};

std::string_view name_of(std::string_view entry) {
    return entry.substr(0, entry.find('='));
}

/// Belongs to the caller's login or session, not to a user inside.
bool is_of_session(std::string_view name) {
    constexpr std::array<std::string_view, 7> plain{"MAIL",    "PWD",    "OLDPWD",       "LS_COLORS",
                                                    "DISPLAY", "TMPDIR", "SSH_AUTH_SOCK"};
    return name.starts_with("XDG_") || name.starts_with("DBUS_") || name.starts_with("SUDO_") ||
           std::find(plain.begin(), plain.end(), name) != plain.end();
}

std::string shell_word(std::string_view text) {
    std::string result = "'";
    for (const char c : text)
        result += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return result + "'";
}

/// The child's side, from fork to exec.
class Entrant {
public:
    Entrant(const ExecOptions& options, const Status& status, std::string directory, const sigset_t& signals)
        : options_(options)
        , status_(status)
        , directory_(std::move(directory))
        , signals_(signals) {}

    [[noreturn]] void enter(const OwnedFd& supervisor, Channel& channel) noexcept {
        try {
            if (::setns(supervisor.get(), CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
                throw_errno("enter the instance");
            const auto user = find_user(options_.user);
            become(user);
            die_with_parent(channel);
            run(user, channel);
        } catch (const Error& error) {
            channel.send_error(error);
        } catch (const std::exception& error) {
            channel.send_error(Error(ErrorCode::Internal, error.what()));
        }
        ::_exit(125);
    }

private:
    void become(const User& user) {
        if (::setgroups(user.groups.size(), user.groups.data()) < 0 ||
            ::setresgid(user.gid, user.gid, user.gid) < 0 || ::setresuid(user.uid, user.uid, user.uid) < 0)
            throw_errno("become " + user.name);
    }

    /// After become(), which would undo it. Our parent, outside, is not to be seen by getppid(2).
    void die_with_parent(const Channel& channel) {
        pollfd parent{channel.fd(), 0, 0};
        if (::prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
            throw_errno("prctl");
        if (::poll(&parent, 1, 0) > 0)
            ::_exit(125);
    }

    [[noreturn]] void run(const User& user, Channel& channel) {
        if (::chdir(directory_.c_str()) < 0 && ::chdir(user.home.c_str()) < 0 && ::chdir("/") < 0)
            throw_errno("change to " + user.home);
        std::vector<std::string> callers;
        for (char** entry = environ; *entry; ++entry)
            callers.emplace_back(*entry);
        auto environment =
            merged_environment(callers, user_environment(status_.layout, user, status_.record.inner_bindir));
        std::vector<char*> envp;
        envp.reserve(environment.size() + 1);
        for (auto& entry : environment)
            envp.push_back(entry.data());
        envp.push_back(nullptr);
        std::vector<char*> argv;
        argv.reserve(options_.command.size() + 1);
        for (const auto& word : options_.command)
            argv.push_back(const_cast<char*>(word.c_str()));
        argv.push_back(nullptr);
        ::sigprocmask(SIG_SETMASK, &signals_, nullptr);
        ::signal(SIGPIPE, SIG_DFL); // the command line ignores it, and exec would hand that on
        environ = envp.data();      // execvp looks in the new PATH
        ::execvp(argv[0], argv.data());
        const int why = errno;
        channel.close();
        ::dprintf(2, "banger: cannot run %s: %s\n", argv[0], std::strerror(why));
        ::_exit(why == ENOENT ? 127 : 126);
    }

    const ExecOptions& options_;
    const Status& status_;
    std::string directory_;
    sigset_t signals_;
};

/// Until the child ends. What the terminal sent, the child, in our process group, got as well (SI_KERNEL,
/// sigaction(2)).
int attend(const Child& child, int signals) {
    for (;;) {
        std::array<pollfd, 2> fds{{{child.pidfd.get(), POLLIN, 0}, {signals, POLLIN, 0}}};
        if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR)
            throw_errno("poll");
        signalfd_siginfo info{};
        while (::read(signals, &info, sizeof info) == sizeof info)
            if (info.ssi_code != SI_KERNEL)
                ::kill(child.pid, static_cast<int>(info.ssi_signo));
        if (fds[0].revents)
            return wait_child(child).value_or(125);
    }
}

} // namespace

std::vector<std::string> merged_environment(const std::vector<std::string>& callers,
                                            std::vector<std::string> users) {
    std::vector<std::string> result = std::move(users);
    const auto own = result.size();
    for (const auto& entry : callers) {
        const auto name = name_of(entry);
        const bool replaced = std::any_of(result.begin(), result.begin() + static_cast<std::ptrdiff_t>(own),
                                          [&](const auto& other) { return name_of(other) == name; });
        if (!replaced && !is_of_session(name))
            result.push_back(entry);
    }
    return result;
}

int exec(const ExecOptions& options) {
    require_root();
    if (options.command.empty())
        throw Error(ErrorCode::InvalidArgument, "no command to run", "banger instance exec -- COMMAND");
    const auto status = require_running(layout_of(options.name));
    const auto supervisor = status.record.supervisor.open();
    if (!supervisor)
        throw Error(ErrorCode::Unavailable, "the instance has just ended");
    std::error_code gone;
    const auto directory = std::filesystem::current_path(gone).string();
    sigset_t block;
    sigset_t before;
    ::sigemptyset(&block);
    for (const int number : forwarded)
        ::sigaddset(&block, number);
    ::sigprocmask(SIG_BLOCK, &block, &before);
    const OwnedFd signals(::signalfd(-1, &block, SFD_CLOEXEC | SFD_NONBLOCK));
    auto [ours, theirs] = Channel::make_pair();
    if (!signals || ::setns(supervisor->get(), CLONE_NEWPID) < 0)
        throw_errno("enter the instance");
    Entrant entrant(options, status, directory, before);
    const pid_t pid = ::fork();
    if (pid < 0)
        throw_errno("fork");
    if (pid == 0) {
        ours.close();
        entrant.enter(*supervisor, theirs);
    }
    const Child child{pid, open_pidfd(pid)};
    theirs.close();
    const auto failure = ours.receive_failure();
    const int result = attend(child, signals.get());
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    if (failure)
        throw Error(*failure);
    return result;
}

std::string shell_environment(const Status& status) {
    const auto& layout = status.layout;
    return "export DBUS_SYSTEM_BUS_ADDRESS=" + shell_word(layout.system_address()) +
           "\nexport DBUS_SESSION_BUS_ADDRESS=" + shell_word(layout.session_address()) +
           "\nexport PATH=" + shell_word(status.record.bindir) +
           ":\"$PATH\"\nexport BANGER_INSTANCE=" + shell_word(layout.name) + "\n";
}

} // namespace banger::instance
