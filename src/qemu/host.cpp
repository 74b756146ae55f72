#include "qemu/host.hpp"

#include "base/fd.hpp"

#include <fcntl.h>

#include <ctime>

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

namespace banger::qemu {

namespace {

#if defined(__x86_64__)
bool cpu_virtualises() {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    constexpr unsigned vmx = 1U << 5; // leaf 1, ECX
    constexpr unsigned svm = 1U << 2; // leaf 0x80000001, ECX
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & vmx))
        return true;
    return __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) && (ecx & svm);
}

uint64_t ticks() {
    return __rdtsc();
}
#else
bool cpu_virtualises() {
    return true; // where the CPU cannot, the kernel makes no /dev/kvm
}

uint64_t ticks() {
    return 0;
}
#endif

int64_t monotonic() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

} // namespace

bool kvm_usable() {
    return cpu_virtualises() && OwnedFd(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
}

TscClock::TscClock()
    : start_(sample()) {}

TscClock::Sample TscClock::sample() {
    // The narrowest of a few tries: a thread that was put aside between the two readings would spoil the
    // rate.
    Sample best{};
    uint64_t narrowest = UINT64_MAX;
    for (int i = 0; i < 5; ++i) {
        const auto before = ticks();
        const auto now = monotonic();
        const auto after = ticks();
        if (after - before < narrowest) {
            narrowest = after - before;
            best = {before + (after - before) / 2, now};
        }
    }
    return best;
}

uint64_t TscClock::khz() const {
    constexpr int64_t enough = 1000000; // 1 ms: to some 50 parts in a million
    auto now = sample();
    while (now.nanoseconds - start_.nanoseconds < enough)
        now = sample();
    // kHz = ticks per millisecond. 128 bits, since the product would overflow after a few hours.
    const auto product = static_cast<unsigned __int128>(now.ticks - start_.ticks) * 1000000;
    return static_cast<uint64_t>(product / static_cast<uint64_t>(now.nanoseconds - start_.nanoseconds));
}

} // namespace banger::qemu
