// Owned file descriptors and the few descriptor helpers that everyone needs.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace banger {

/// A file descriptor that closes itself. Empty when get() is -1. Moves, never copies.
class OwnedFd {
public:
    OwnedFd() noexcept = default;
    explicit OwnedFd(int fd) noexcept
        : fd_(fd) {}
    OwnedFd(OwnedFd&& other) noexcept
        : fd_(other.release()) {}
    OwnedFd& operator=(OwnedFd&& other) noexcept {
        if (this != &other)
            reset(other.release());
        return *this;
    }
    OwnedFd(const OwnedFd&) = delete;
    OwnedFd& operator=(const OwnedFd&) = delete;
    ~OwnedFd() { reset(); }

    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }
    int release() noexcept { return std::exchange(fd_, -1); }
    void reset(int fd = -1) noexcept;
    /// A second descriptor of the same open file, close-on-exec. Throws Error.
    OwnedFd duplicate() const;

private:
    int fd_ = -1;
};

/// open(2) with O_CLOEXEC added; throws Error naming the path.
OwnedFd open_file(const std::string& path, int flags, unsigned mode = 0);
/// A close-on-exec pipe: {read end, write end}.
std::pair<OwnedFd, OwnedFd> make_pipe();
/// A close-on-exec, connected pair of AF_UNIX stream sockets.
std::pair<OwnedFd, OwnedFd> make_socketpair();
/// Connects to an AF_UNIX stream socket; a path over 107 bytes goes through a descriptor of its folder
/// (/proc/self/fd/N/name), since sun_path holds 108 bytes (unix(7)).
OwnedFd connect_unix(const std::string& path);
/// The same without exceptions: an empty descriptor when nobody can be reached there, with errno(3)'s number
/// in `error_number`. `socket_flags`: such as SOCK_NONBLOCK (a full backlog is EAGAIN then).
OwnedFd try_connect_unix(const std::string& path, int& error_number, int socket_flags = 0);
/// The socket of a folder that others write to, for use as /proc/self/fd/N: the last component of `path` must
/// be a socket itself. An O_PATH descriptor; a symlink or another kind of file is FailedPrecondition.
OwnedFd open_socket_file(const std::string& path);
/// try_connect_unix() to what open_socket_file() opens; a full backlog is EAGAIN, and what is no socket
/// ENOTSOCK.
OwnedFd try_connect_socket_file(const std::string& path, int& error_number);
/// Binds and listens on an AF_UNIX stream socket that is born mode 0600 (less the umask). Long paths as in
/// connect_unix.
OwnedFd listen_unix(const std::string& path, int backlog = 64);
/// A file descriptor for a process, pidfd_open(2).
OwnedFd open_pidfd(int pid);

/// Writes all of it, whatever the number of write(2) calls; throws Error naming `what`.
void write_all(int fd, std::span<const std::byte> data, std::string_view what);
void write_all(int fd, std::string_view data, std::string_view what);
/// Reads up to `limit` bytes until end of file. More than `limit` is an Error.
std::string read_all(int fd, size_t limit, std::string_view what);
/// Waits until fd is readable (or hung up). False when `timeout_ms` went by; negative: no limit.
bool wait_readable(int fd, int timeout_ms);

} // namespace banger
