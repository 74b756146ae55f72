// banger-agent: PID 1 of a guest, or (for tests) a server of sessions on a unix socket.
#include "agent/boot.hpp"
#include "agent/console.hpp"
#include "agent/daemon.hpp"

#include <unistd.h>

#include <csignal>
#include <exception>
#include <string_view>

namespace {

int usage(int status) {
    constexpr std::string_view text = "usage: banger-agent --version | --listen UNIX_SOCKET_PATH\n"
                                      "As process 1 it boots a banger guest.\n";
    const auto written = ::write(status == 0 ? STDOUT_FILENO : STDERR_FILENO, text.data(), text.size());
    return written < 0 ? 1 : status;
}

} // namespace

int main(int argc, char** argv) {
    ::signal(SIGPIPE, SIG_IGN);
    if (::getpid() == 1 && argc < 3)
        banger::agent::boot(argv[0]);
    const std::string_view option = argc > 1 ? argv[1] : "";
    constexpr std::string_view version = "banger-agent " BANGER_VERSION "\n";
    if (option == "--version" && argc == 2)
        return ::write(STDOUT_FILENO, version.data(), version.size()) < 0 ? 1 : 0;
    if (option == "--help" && argc == 2)
        return usage(0);
    if (option != "--listen" || argc != 3)
        return usage(2);
    try {
        banger::agent::run_on_socket(argv[2]);
    } catch (const std::exception& error) {
        banger::agent::say(error.what());
    }
    return 1;
}
