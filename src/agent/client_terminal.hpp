// The owner's terminal and signals during an exec session. Internal to src/agent.
#pragma once

#include "base/fd.hpp"

#include <termios.h>

#include <csignal>
#include <string_view>

namespace banger::agent {

/// Raw mode for as long as it lives. Nothing when fd is -1 or no terminal.
class RawTerminal {
public:
    explicit RawTerminal(int fd) noexcept;
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;
    ~RawTerminal();

private:
    int fd_ = -1;
    termios before_{};
};

/// The process's signals as events, for as long as it lives: blocked in this thread, read from a descriptor.
/// SIGPIPE is held back in any case, so that a closed output is an errno.
class SignalQueue {
public:
    SignalQueue(bool terminating, bool window_changes);
    SignalQueue(const SignalQueue&) = delete;
    SignalQueue& operator=(const SignalQueue&) = delete;
    ~SignalQueue();

    int fd() const noexcept { return fd_.get(); } ///< -1: none are wanted
    int take() noexcept;                          ///< the next one; 0: none

private:
    OwnedFd fd_;
    sigset_t before_{};
};

/// "INT" for SIGINT, and so on for those that go to the guest.
std::string_view signal_name(int signal) noexcept;

} // namespace banger::agent
