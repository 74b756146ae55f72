#include "helper/sandbox.hpp"

#include "base/error.hpp"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace banger::helper {

namespace {

#if defined(__x86_64__)
constexpr uint32_t architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t architecture = AUDIT_ARCH_AARCH64;
#else
#error "which AUDIT_ARCH_… has this processor?"
#endif

/// Nothing here takes a name, makes a descriptor or reaches another process. fcntl and ioctl are asked by
/// libext2fs what the image is.
constexpr std::array allowed{
    SYS_read,         SYS_write,          SYS_pread64,      SYS_pwrite64,    SYS_readv,         SYS_writev,
    SYS_preadv,       SYS_pwritev,        SYS_lseek,        SYS_fstat,       SYS_fsync,         SYS_fdatasync,
    SYS_fcntl,        SYS_ioctl,          SYS_fadvise64,    SYS_brk,         SYS_mmap,          SYS_munmap,
    SYS_mremap,       SYS_madvise,        SYS_futex,        SYS_getrandom,   SYS_close,         SYS_exit,
    SYS_exit_group,   SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sched_yield, SYS_clock_gettime, SYS_uname,
    SYS_gettid,       SYS_getpid,         SYS_getuid,       SYS_geteuid,     SYS_getgid,        SYS_getegid,
    SYS_gettimeofday, // system calls where the clock has no vDSO (vdso(7))
#if defined(SYS_time)
    SYS_time,
#endif
#if defined(SYS_newfstatat)
    SYS_newfstatat, // glibc's fstat()
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    SYS_mprotect,     SYS_sigaltstack,    SYS_rt_sigaction,
    SYS_pipe2, // by which UBSan finds out whether memory may be read
#endif
};

sock_filter statement(uint16_t code, uint32_t value) {
    return {code, 0, 0, value};
}
sock_filter jump(uint32_t value, uint8_t if_equal, uint8_t otherwise) {
    return {BPF_JMP | BPF_JEQ | BPF_K, if_equal, otherwise, value};
}

void filter_system_calls() {
    static_assert(allowed.size() < 250, "jumps are of one byte");
    std::vector<sock_filter> code{
        statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
        jump(architecture, 1, 0),
        statement(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
    };
    size_t left = allowed.size();
    for (const auto call : allowed)
        code.push_back(jump(static_cast<uint32_t>(call), static_cast<uint8_t>(left--), 0));
    code.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM));
    code.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    const sock_fprog program{static_cast<uint16_t>(code.size()), code.data()};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        throw_errno("filter the system calls");
}

void limit(int what, rlim_t most) {
    const rlimit value{most, most};
    if (::prlimit(0, static_cast<__rlimit_resource>(what), &value, nullptr) < 0)
        throw_errno("set a limit");
}

} // namespace

void confine(int file) {
    struct stat status{};
    if (::fstat(file, &status) < 0)
        throw_errno("stat the image");
    if (S_ISREG(status.st_mode))
        limit(RLIMIT_FSIZE, static_cast<rlim_t>(status.st_size));
    limit(RLIMIT_CPU, 30);
    limit(RLIMIT_NPROC, 0);
    limit(RLIMIT_CORE, 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    limit(RLIMIT_NOFILE, 0);
    limit(RLIMIT_AS, rlim_t{512} << 20); // a sanitizer's shadow is larger
#endif
    if (::prctl(PR_SET_DUMPABLE, 0) < 0) // not to be traced by the owner's other processes either
        throw_errno("stop being traced");
    filter_system_calls();
}

} // namespace banger::helper
