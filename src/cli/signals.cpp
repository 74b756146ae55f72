#include "cli/signals.hpp"

#include "base/error.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <tuple>

namespace banger::cli {

SignalScope::SignalScope() {
    sigset_t wanted;
    ::sigemptyset(&wanted);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        // What the caller wants ignored (nohup(1), a shell's background jobs) stays so; blocked, it would be
        // queued.
        struct sigaction action{};
        if (::sigaction(number, nullptr, &action) == 0 && action.sa_handler != SIG_IGN)
            ::sigaddset(&wanted, number);
    }
    fd_.reset(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd_)
        throw_errno("signalfd");
    ::sigprocmask(SIG_BLOCK, &wanted, &before_);
}

SignalScope::~SignalScope() {
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

int SignalScope::take() const {
    signalfd_siginfo info{};
    return ::read(fd_.get(), &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

StopOnSignal::StopOnSignal(const SignalScope& signals) {
    std::tie(watched_, quit_) = make_pipe();
    thread_ = std::jthread([this, &signals] {
        std::array<pollfd, 2> fds{{{signals.fd(), POLLIN, 0}, {watched_.get(), POLLIN, 0}}};
        while (::poll(fds.data(), fds.size(), -1) < 0 && errno == EINTR) {
        }
        if (const int number = signals.take()) {
            signal_ = number;
            stop_.request_stop();
        }
    });
}

} // namespace banger::cli
