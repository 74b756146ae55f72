#include "base/fd.hpp"

#include "base/error.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace banger {

namespace {

/// An address for `path`, with the folder held open where the path itself is too long.
struct UnixAddress {
    sockaddr_un address{};
    OwnedFd folder;

    explicit UnixAddress(const std::string& path) {
        address.sun_family = AF_UNIX;
        auto name = path;
        if (name.size() >= sizeof address.sun_path) {
            const std::filesystem::path whole(path);
            folder = open_file(whole.parent_path().string(), O_PATH | O_DIRECTORY);
            name = "/proc/self/fd/" + std::to_string(folder.get()) + "/" + whole.filename().string();
        }
        if (name.size() >= sizeof address.sun_path)
            throw Error(ErrorCode::InvalidArgument, "socket name too long: " + path);
        std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
    }
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};

OwnedFd unix_socket() {
    OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd)
        throw_errno("socket");
    return fd;
}

} // namespace

void OwnedFd::reset(int fd) noexcept {
    if (fd_ >= 0)
        ::close(fd_);
    fd_ = fd;
}

OwnedFd OwnedFd::duplicate() const {
    OwnedFd copy(::fcntl(fd_, F_DUPFD_CLOEXEC, 3));
    if (!copy)
        throw_errno("duplicate descriptor");
    return copy;
}

OwnedFd open_file(const std::string& path, int flags, unsigned mode) {
    OwnedFd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
    if (!fd)
        throw_errno("open " + path);
    return fd;
}

std::pair<OwnedFd, OwnedFd> make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0)
        throw_errno("pipe");
    return {OwnedFd(ends[0]), OwnedFd(ends[1])};
}

std::pair<OwnedFd, OwnedFd> make_socketpair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        throw_errno("socketpair");
    return {OwnedFd(ends[0]), OwnedFd(ends[1])};
}

OwnedFd connect_unix(const std::string& path) {
    const UnixAddress address(path);
    auto fd = unix_socket();
    if (::connect(fd.get(), address.get(), sizeof address.address) < 0)
        throw_errno("connect to " + path);
    return fd;
}

OwnedFd try_connect_unix(const std::string& path, int& error_number, int socket_flags) {
    try {
        const UnixAddress address(path);
        OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | socket_flags, 0));
        if (fd && ::connect(fd.get(), address.get(), sizeof address.address) == 0) {
            error_number = 0;
            return fd;
        }
        error_number = errno;
    } catch (const Error& error) {
        error_number = error.code() == ErrorCode::NotFound ? ENOENT : EINVAL; // the folder of a long path
    }
    return {};
}

OwnedFd open_socket_file(const std::string& path) {
    auto file = open_file(path, O_PATH | O_NOFOLLOW);
    struct stat status{};
    if (::fstat(file.get(), &status) < 0)
        throw_errno("stat " + path);
    if (!S_ISSOCK(status.st_mode))
        throw Error(ErrorCode::FailedPrecondition, path + " is not a socket");
    return file;
}

OwnedFd try_connect_socket_file(const std::string& path, int& error_number) {
    try {
        const auto file = open_socket_file(path);
        return try_connect_unix("/proc/self/fd/" + std::to_string(file.get()), error_number, SOCK_NONBLOCK);
    } catch (const Error& error) {
        error_number = error.code() == ErrorCode::NotFound             ? ENOENT
                       : error.code() == ErrorCode::NotAuthorized      ? EACCES
                       : error.code() == ErrorCode::FailedPrecondition ? ENOTSOCK
                                                                       : EIO;
    }
    return {};
}

OwnedFd listen_unix(const std::string& path, int backlog) {
    const UnixAddress address(path);
    auto fd = unix_socket();
    // bind(2) gives the file the mode of the socket's own inode, less the umask: nothing of the process
    // changes meanwhile.
    if (::fchmod(fd.get(), 0600) < 0)
        throw_errno("set the mode of a socket");
    if (::bind(fd.get(), address.get(), sizeof address.address) < 0)
        throw_errno("bind " + path);
    if (::listen(fd.get(), backlog) < 0)
        throw_errno("listen on " + path);
    return fd;
}

OwnedFd open_pidfd(int pid) {
    OwnedFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!fd)
        throw_errno("open process " + std::to_string(pid));
    return fd;
}

void write_all(int fd, std::span<const std::byte> data, std::string_view what) {
    while (!data.empty()) {
        const auto n = ::write(fd, data.data(), data.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            throw_errno("write " + std::string(what));
        data = data.subspan(static_cast<size_t>(n));
    }
}

void write_all(int fd, std::string_view data, std::string_view what) {
    write_all(fd, std::as_bytes(std::span(data)), what);
}

std::string read_all(int fd, size_t limit, std::string_view what) {
    std::string text;
    char buffer[16384];
    for (;;) {
        const auto n = ::read(fd, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            throw_errno("read " + std::string(what));
        if (n == 0)
            return text;
        if (text.size() + static_cast<size_t>(n) > limit)
            throw Error(ErrorCode::InvalidArgument,
                        std::string(what) + " is larger than " + std::to_string(limit) + " bytes");
        text.append(buffer, static_cast<size_t>(n));
    }
}

bool wait_readable(int fd, int timeout_ms) {
    pollfd poll_fd{fd, POLLIN, 0};
    for (;;) {
        const int n = ::poll(&poll_fd, 1, timeout_ms);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            throw_errno("poll");
        return n > 0;
    }
}

} // namespace banger
