#include "agent/daemon.hpp"

#include "agent/console.hpp"
#include "agent/serial.hpp"
#include "base/error.hpp"

#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <set>

namespace banger::agent {

namespace {

constexpr size_t most_sessions = 256;
constexpr int backlog = 64;

OwnedFd child_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    OwnedFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd)
        throw_errno("signalfd");
    return fd;
}

/// Leaves a session's process with its stream and the standard descriptors only.
int keep_only(OwnedFd stream) {
    const int fd = ::dup2(stream.release(), 3);
    ::syscall(SYS_close_range, 4U, ~0U, 0U);
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

/// The sessions' processes.
class Sessions {
public:
    explicit Sessions(SessionContext context)
        : context_(context)
        , signals_(child_signals()) {}

    void start(OwnedFd stream) {
        reap();
        if (pids_.size() >= most_sessions)
            return; // the client sees its stream end
        context_.sessions = pids_.size() + 1;
        const auto pid = ::fork();
        if (pid < 0) {
            say(std::string("fork: ") + std::strerror(errno));
            return;
        }
        if (pid > 0) {
            pids_.insert(pid);
            return;
        }
        sigset_t none;
        sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        serve_session(keep_only(std::move(stream)), context_);
        ::_exit(0);
    }

    int signal_fd() const { return signals_.get(); }

    void reap() {
        signalfd_siginfo info;
        while (::read(signals_.get(), &info, sizeof info) > 0)
            continue;
        std::erase_if(pids_, [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
    }

private:
    SessionContext context_;
    OwnedFd signals_;
    std::set<pid_t> pids_;
};

/// Accepts what waits. `from_host`: only connections from the host, not from users of the guest itself.
void accept_sessions(int listener, bool from_host, Sessions& sessions) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    OwnedFd stream(::accept4(listener, reinterpret_cast<sockaddr*>(&address), &length, SOCK_CLOEXEC));
    if (!stream)
        return; // gone before it was accepted, or no descriptors left: the next round tries again
    sockaddr_vm peer{};
    std::memcpy(&peer, &address, sizeof peer);
    if (from_host && peer.svm_cid != VMADDR_CID_HOST)
        return;
    sessions.start(std::move(stream));
}

[[noreturn]] void accept_for_ever(int listener, bool from_host, Sessions& sessions) {
    std::vector<pollfd> fds{{listener, POLLIN, 0}, {sessions.signal_fd(), POLLIN, 0}};
    for (;;) {
        if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR)
            throw_errno("poll");
        if (fds[1].revents != 0)
            sessions.reap();
        if (fds[0].revents != 0)
            accept_sessions(listener, from_host, sessions);
    }
}

sockaddr_vm vsock_address(unsigned cid, unsigned port) {
    sockaddr_vm address{};
    address.svm_family = AF_VSOCK;
    address.svm_cid = cid;
    address.svm_port = port;
    return address;
}

OwnedFd vsock() {
    OwnedFd fd(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd)
        throw_errno("vsock socket");
    return fd;
}

OwnedFd listen_vsock() {
    auto fd = vsock();
    const auto address = vsock_address(VMADDR_CID_ANY, agent_port);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ||
        ::listen(fd.get(), backlog) < 0)
        throw_errno("listen on vsock");
    return fd;
}

std::string ready_frame(const SessionContext& context) {
    return encode_frame(FrameType::Ready, encode_info(agent_info(context)));
}

/// A host that does not listen for it can still ask with `info`; so no failure here is one of the guest.
void tell_ready(const SessionContext& context) {
    const auto fd = vsock();
    const auto address = vsock_address(VMADDR_CID_HOST, ready_port);
    const timeval limit{1, 0};
    ::setsockopt(fd.get(), AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &limit, sizeof limit);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
        return say(std::string("the host does not wait for this guest: ") + std::strerror(errno));
    try {
        write_all(fd.get(), ready_frame(context), "ready");
    } catch (const Error& error) {
        say(error.message());
    }
}

[[noreturn]] void serve_serial(const SessionContext& context, const DeviceEvents& events) {
    Sessions sessions(context);
    SerialLink link([&](OwnedFd stream) { sessions.start(std::move(stream)); }, ready_port,
                    ready_frame(context));
    link.scan();
    std::vector<pollfd> fds;
    for (;;) {
        fds = {{events.fd(), POLLIN, 0}, {sessions.signal_fd(), POLLIN, 0}};
        link.add_poll(fds);
        if (::poll(fds.data(), fds.size(), link.patience_ms()) < 0) {
            if (errno != EINTR)
                throw_errno("poll");
            continue;
        }
        size_t at = 2;
        link.handle(fds, at);
        if (fds[1].revents != 0)
            sessions.reap();
        if (fds[0].revents != 0) {
            events.drain();
            link.scan();
        }
    }
}

} // namespace

void run_on_socket(const std::string& path) {
    const auto listener = listen_unix(path);
    Sessions sessions({});
    accept_for_ever(listener.get(), /*from_host=*/false, sessions);
}

void run_in_guest(const BootConfig& config, SessionContext context, const DeviceEvents& events) {
    if (config.transport == Transport::Serial)
        serve_serial(context, events);
    const auto listener = listen_vsock();
    Sessions sessions(context);
    tell_ready(context);
    accept_for_ever(listener.get(), /*from_host=*/true, sessions);
}

} // namespace banger::agent
