#include "base/pidfd.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace banger {

// glibc 2.36 declares its wrapper without extern "C".
int signal_pidfd(int pidfd, int number) noexcept {
    return ::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0) < 0 ? errno : 0;
}

} // namespace banger
