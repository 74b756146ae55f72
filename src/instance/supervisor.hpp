// PID 1 of an instance. Its death, however it comes, ends everything inside by the kernel's hand
// (pid_namespaces(7)).
#pragma once

#include "instance/channel.hpp"
#include "instance/machine.hpp"

namespace banger::instance {

/// Descriptors that the supervisor keeps open as long as it lives.
struct Lifelines {
    OwnedFd uplink_exit; ///< slirp4netns ends when this closes
    OwnedFd state_lock;  ///< nobody else uses the state folder
};

/// The start's packets: "go" (you are written down; begin), then "commit" (you may outlive me).
/// The supervisor's: "up BINDIR" (all services are started), or an error.
inline constexpr const char* go_packet = "go";
inline constexpr const char* commit_packet = "commit";
inline constexpr const char* up_packet = "up ";

/// What PID 1 does, to its end. Called in the new namespaces.
[[noreturn]] void supervise(const Plan& plan, Channel channel, Lifelines lifelines) noexcept;

} // namespace banger::instance
