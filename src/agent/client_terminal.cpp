#include "agent/client_terminal.hpp"

#include "agent/client.hpp"

#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <utility>

namespace banger::agent {

namespace {

constexpr std::array<std::pair<int, std::string_view>, 4> forwarded{
    {{SIGINT, "INT"}, {SIGTERM, "TERM"}, {SIGHUP, "HUP"}, {SIGQUIT, "QUIT"}}};

} // namespace

RawTerminal::RawTerminal(int fd) noexcept {
    if (fd < 0 || ::tcgetattr(fd, &before_) < 0)
        return;
    auto raw = before_;
    ::cfmakeraw(&raw);
    if (::tcsetattr(fd, TCSADRAIN, &raw) == 0)
        fd_ = fd;
}

RawTerminal::~RawTerminal() {
    if (fd_ >= 0)
        ::tcsetattr(fd_, TCSADRAIN, &before_);
}

SignalQueue::SignalQueue(bool terminating, bool window_changes) {
    sigset_t queued;
    sigemptyset(&queued);
    if (terminating)
        for (const auto& [number, name] : forwarded)
            sigaddset(&queued, number);
    if (window_changes)
        sigaddset(&queued, SIGWINCH);
    if (terminating || window_changes) {
        fd_.reset(::signalfd(-1, &queued, SFD_CLOEXEC | SFD_NONBLOCK));
        if (!fd_)
            throw_errno("signalfd");
    }
    sigaddset(&queued, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &queued, &before_);
}

SignalQueue::~SignalQueue() {
    if (sigismember(&before_, SIGPIPE) == 0) {
        sigset_t pipe;
        sigemptyset(&pipe);
        sigaddset(&pipe, SIGPIPE);
        const timespec now{};
        ::sigtimedwait(&pipe, nullptr, &now); // ours, and told as an errno
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

int SignalQueue::take() noexcept {
    signalfd_siginfo info{};
    return ::read(fd_.get(), &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

std::string_view signal_name(int signal) noexcept {
    for (const auto& [number, name] : forwarded)
        if (number == signal)
            return name;
    return "TERM";
}

WindowSize terminal_size(int fd) noexcept {
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) < 0)
        return {};
    return {size.ws_row, size.ws_col};
}

} // namespace banger::agent
