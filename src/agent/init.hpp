// What PID 1 is after the boot: the image's own init, or the agent itself.
#pragma once

#include "agent/cmdline.hpp"
#include "base/fd.hpp"

#include <sys/types.h>

#include <functional>
#include <string>

namespace banger::agent {

/// Blocks the signals that stay() waits for, so that none is lost before it does; call it before the first
/// fork.
void block_signals() noexcept;

/// The program that this boot hands over to; empty: the agent stays PID 1. With `auto` that is the first
/// executable of /sbin/init, /lib/systemd/systemd, /usr/lib/systemd/systemd, /bin/init below `root` ("" in a
/// guest); a busybox there counts only with something to start, as container images carry the link without
/// meaning it.
std::string choose_init(const BootConfig& config, const std::string& root = {});

/// Executes the image's init in place of this process. Throws Error when that fails.
void hand_over(const std::string& program);

/// Stays as PID 1: reaps orphans, keeps the agent running (`start_agent` gives its pid), and shuts down when
/// asked by signal: USR2 power off, TERM and INT (ctrl-alt-del) restart, USR1 halt, as busybox has them.
[[noreturn]] void stay(const std::function<pid_t()>& start_agent, pid_t agent, const OwnedFd& old_root,
                       const BootConfig& config);

} // namespace banger::agent
