#include "agent/client_sink.hpp"

#include "base/error.hpp"

#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace banger::agent {

OutputSink::OutputSink(int fd)
    : fd_(fd) {
    struct stat status{};
    if (fd < 0 || ::fstat(fd, &status) < 0)
        return;
    const bool is_null = S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3); // /dev/null
    kind_ = S_ISREG(status.st_mode) || is_null ? Kind::File
            : S_ISFIFO(status.st_mode)         ? Kind::Pipe
            : S_ISSOCK(status.st_mode)         ? Kind::Socket
                                               : Kind::Other;
    // Opening a pipe through /proc makes an open file of its own (proc(5)), whose O_NONBLOCK no other process
    // shares. It fails where the pipe is another user's.
    if (kind_ == Kind::Pipe)
        own_.reset(
            ::open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
}

void OutputSink::add(std::string_view bytes) {
    if (fd_ < 0)
        return;
    // Else what was written long ago would stay while the reader is slower than the guest.
    if (done_ > 0 && done_ >= text_.size() / 2) {
        text_.erase(0, done_);
        done_ = 0;
    }
    text_ += bytes;
}

ssize_t OutputSink::write_once() const {
    const auto* from = text_.data() + done_;
    if (kind_ == Kind::Socket)
        return ::send(fd_, from, unwritten(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (kind_ == Kind::File || own_)
        return ::write(fd(), from, unwritten());
    // Linux 6.4 and later write to a pipe without waiting where asked to; before that, poll(2) says when
    // PIPE_BUF bytes can be written.
    const iovec piece{const_cast<char*>(from), unwritten()};
    if (kind_ == Kind::Pipe)
        if (const auto n = ::pwritev2(fd_, &piece, 1, -1, RWF_NOWAIT); n >= 0 || errno != EOPNOTSUPP)
            return n;
    return ::write(fd_, from, std::min<size_t>(unwritten(), PIPE_BUF));
}

bool OutputSink::write_some() {
    const auto n = write_once();
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n < 0 && errno != EPIPE && errno != ECONNRESET)
        throw_errno("write the command's output");
    if (n < 0)
        return false;
    done_ += static_cast<size_t>(n);
    if (done_ == text_.size()) {
        text_.clear();
        done_ = 0;
    }
    return true;
}

void OutputSink::close() {
    fd_ = -1;
    own_.reset();
    text_.clear();
    done_ = 0;
}

} // namespace banger::agent
