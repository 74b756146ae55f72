#include "daemon/vm/pause.hpp"

#include "agent/client.hpp"
#include "base/log.hpp"
#include "base/op_id.hpp"
#include "daemon/wait.hpp"
#include "vmm/client.hpp"

#include <chrono>

namespace banger::daemon {

namespace {

constexpr std::chrono::seconds vmm_limit{10};
constexpr std::chrono::seconds agent_limit{5};

void set_clock(const std::string& vsock_socket) {
    const auto deadline = Clock::now() + agent_limit;
    const auto session = agent::connect_hybrid(vsock_socket, agent::agent_port, deadline);
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    agent::set_time(session.get(), {std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()},
                    deadline, current_op_id());
}

} // namespace

void pause_vmm(const std::string& api_socket, Steps& steps) {
    steps.run("pause",
              [&] { vmm::VmmClient(api_socket, {.timeout = vmm_limit, .stop = steps.stop()}).pause(); });
}

void resume_vmm(const std::string& api_socket, const std::string& vsock_socket, Steps& steps) {
    steps.run("resume",
              [&] { vmm::VmmClient(api_socket, {.timeout = vmm_limit, .stop = steps.stop()}).resume(); });
    try {
        steps.run("clock", [&] { set_clock(vsock_socket); });
    } catch (const Error& error) {
        log::warning("the guest's clock was not set: " + error.message());
    }
}

} // namespace banger::daemon
