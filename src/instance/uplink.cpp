#include "instance/uplink.hpp"

#include "base/error.hpp"
#include "base/file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>

namespace banger::instance {

namespace {

constexpr const char* program_name = "slirp4netns";
constexpr int ready_timeout_ms = 20'000;

} // namespace

Network parse_network(const std::string& word) {
    if (word == "auto")
        return Network::Auto;
    if (word == "uplink")
        return Network::Uplink;
    if (word == "none")
        return Network::None;
    throw Error(ErrorCode::InvalidArgument, "there is no network \"" + word + "\"",
                "use auto, uplink or none");
}

bool wants_uplink(Network network) {
    if (network == Network::None)
        return false;
    try {
        find_program(program_name, program_name);
        return true;
    } catch (Error& error) {
        if (network == Network::Auto)
            return false;
        throw error.with_hint("or start the instance with --network none");
    }
}

ProcessSpec uplink_spec(int pid, int ready_fd, int exit_read, int log_fd) {
    ProcessSpec spec;
    spec.program = find_program(program_name, program_name);
    // The sandbox leaves it, once attached, in a mount namespace of its own without capabilities, and with
    // few system calls.
    spec.arguments = {"--configure",
                      "--disable-host-loopback",
                      "--enable-sandbox",
                      "--enable-seccomp",
                      "--mtu=65520",
                      "--ready-fd=" + std::to_string(ready_fd),
                      "--exit-fd=" + std::to_string(exit_read),
                      "--netns-type=path",
                      "/proc/" + std::to_string(pid) + "/ns/net",
                      "tap0"};
    spec.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
    spec.stdout_fd = log_fd;
    spec.stderr_fd = log_fd;
    spec.inherited = {ready_fd, exit_read};
    spec.new_session = true;
    return spec;
}

Child start_uplink(const Layout& layout, int pid, int exit_read) {
    auto [ready_read, ready_write] = make_pipe();
    const auto log_path = layout.logs() + "/uplink.log";
    const auto log = open_file(log_path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    auto child = spawn(uplink_spec(pid, ready_write.get(), exit_read, log.get()));
    ready_write.reset();
    char byte = 0;
    if (wait_readable(ready_read.get(), ready_timeout_ms) && ::read(ready_read.get(), &byte, 1) == 1)
        return child;
    ::kill(child.pid, SIGKILL);
    wait_child(child);
    throw Error(ErrorCode::Unavailable, "slirp4netns could not give the instance its way out",
                "start the instance with --network none to do without")
        .with_details(read_file(log_path));
}

} // namespace banger::instance
