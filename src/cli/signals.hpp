// The signals that end a command, as something to wait for.
#pragma once

#include "base/fd.hpp"

#include <atomic>
#include <csignal>
#include <stop_token>
#include <thread>

namespace banger::cli {

/// While it lives, those of SIGINT, SIGTERM and SIGHUP that are not ignored do not end the process but are
/// read here.
class SignalScope {
public:
    SignalScope();
    SignalScope(const SignalScope&) = delete;
    SignalScope& operator=(const SignalScope&) = delete;
    ~SignalScope();

    /// Readable when a signal has come.
    int fd() const noexcept { return fd_.get(); }
    /// The signal's number; 0 when none has come.
    int take() const;

private:
    OwnedFd fd_;
    sigset_t before_;
};

/// Turns the first signal that comes, while it lives, into a stop request, for work that takes a stop token.
class StopOnSignal {
public:
    explicit StopOnSignal(const SignalScope& signals);

    std::stop_token token() const { return stop_.get_token(); }
    /// The signal that came; 0: none.
    int signal() const noexcept { return signal_; }

private:
    std::stop_source stop_;
    std::atomic<int> signal_{0};
    OwnedFd quit_; ///< closing the other end ends the thread
    OwnedFd watched_;
    std::jthread thread_;

public:
    StopOnSignal(const StopOnSignal&) = delete;
    StopOnSignal& operator=(const StopOnSignal&) = delete;
    ~StopOnSignal() { quit_.reset(); }
};

} // namespace banger::cli
