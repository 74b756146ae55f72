// Waiting for a VMM's socket to answer.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>

namespace banger::vmm {

/// Waits until something accepts connections at the Unix socket `path`. `pidfd` is the VMM's process (-1:
/// unknown): when that ends first, Unavailable. Throws Timeout at the deadline, Cancelled when stopped;
/// whatever else is wrong with the socket (such as a permission) at once, as errno_error() has it.
void wait_for_socket(const std::string& path, std::chrono::steady_clock::time_point deadline,
                     const std::stop_token& stop = {}, int pidfd = -1);

} // namespace banger::vmm
