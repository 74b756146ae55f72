// banger-qemu: speaks Firecracker's API and boots the guest with QEMU, for hosts where Firecracker cannot
// run.
#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/loop.hpp"
#include "qemu/null_guest.hpp"
#include "qemu/options.hpp"
#include "qemu/qemu_guest.hpp"
#include "qemu/server.hpp"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>

namespace banger::qemu {

namespace {

constexpr int terminated = 128 + SIGTERM;

/// Removes the socket that this process made.
struct Unlink {
    std::string path;
    ~Unlink() { ::unlink(path.c_str()); }
};

/// Ends the loop once all else that is ready has been done: answers that were given are to be sent.
void end_soon(Loop& loop) {
    g_idle_add_full(
        G_PRIORITY_LOW,
        [](gpointer data) -> gboolean {
            static_cast<Loop*>(data)->quit();
            return G_SOURCE_REMOVE;
        },
        &loop, nullptr);
}

std::unique_ptr<Guest> make_guest(const Options& options, Loop& loop, OnEnd on_end) {
    if (options.null)
        return std::make_unique<NullGuest>(loop, *options.null, std::move(on_end));
    TapTable taps;
    for (const auto& tap : options.taps)
        taps.add_given(tap);
    return std::make_unique<QemuGuest>(options.settings, std::move(taps), std::move(on_end));
}

int serve(const Options& options) {
    // Bound before all else: whoever waits for the socket can send its first request meanwhile.
    auto listener = listen_unix(options.api_socket);
    const Unlink unlink{options.api_socket};
    Loop loop;
    int status = 0;
    bool ending = false;
    const auto end = [&](int with, const std::string& reason) {
        if (std::exchange(ending, true))
            return;
        status = with;
        if (!reason.empty())
            std::fprintf(stderr, "banger-qemu: %s\n", reason.c_str());
        end_soon(loop);
    };
    const auto guest = make_guest(options, loop, end);
    Records records(options.settings.id);
    Machine machine(options.settings.id, *guest, records);
    const Server server(std::move(listener), machine, records);
    loop.on_terminate([&] { end(terminated, ""); });
    loop.run();
    return status;
}

} // namespace

} // namespace banger::qemu

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    int status = 0;
    try {
        if (const auto options = banger::qemu::parse_options(argc, argv, status))
            status = banger::qemu::serve(*options);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "banger-qemu: %s\n", error.what());
        status = 1;
    }
    std::fflush(nullptr);
    // Sessions of the null guest may still stand in threads of their own; nothing of theirs is to be waited
    // for.
    ::_exit(status);
}
