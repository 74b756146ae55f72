#include "jail/descriptors.hpp"

#include "base/error.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace banger::jail {

OwnedFd moved_aside(int fd) {
    OwnedFd moved(::fcntl(fd, F_DUPFD_CLOEXEC, aside));
    if (!moved)
        throw_errno("move a descriptor");
    return moved;
}

void place(int fd, int number) {
    if (::dup2(fd, number) < 0)
        throw_errno("place a descriptor");
}

void close_from(int number) noexcept {
    ::syscall(SYS_close_range, static_cast<unsigned>(number), ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
}

} // namespace banger::jail
