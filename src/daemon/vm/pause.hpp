// Holding a guest's CPUs, and letting them go again: functions for worker threads.
#pragma once

#include "daemon/job/steps.hpp"

#include <string>

namespace banger::daemon {

/// Step: pause.
void pause_vmm(const std::string& api_socket, Steps& steps);
/// Steps: resume, clock. The guest's clock stood still meanwhile: its agent sets it. One that does not answer
/// is no failure, since the CPUs run.
void resume_vmm(const std::string& api_socket, const std::string& vsock_socket, Steps& steps);

} // namespace banger::daemon
