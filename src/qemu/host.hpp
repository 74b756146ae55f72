// What the machine below can do, asked of the CPU itself: inside a jail there may be no /proc.
#pragma once

#include <cstdint>
#include <string>

namespace banger::qemu {

enum class Accelerator { Kvm, Tcg };

/// Whether KVM can run a stock kernel here: the CPU virtualises (VMX or SVM) and /dev/kvm opens. A nested
/// /dev/kvm may open, and pass its ioctls, without the CPU's help; kernels hang there.
bool kvm_usable();

/// Measures the rate of the CPU's time stamp counter against CLOCK_MONOTONIC, from its construction on.
class TscClock {
public:
    TscClock();
    /// kHz; takes up to a millisecond when asked sooner than that. 0 where there is no such counter.
    uint64_t khz() const;

private:
    struct Sample {
        uint64_t ticks;
        int64_t nanoseconds;
    };
    static Sample sample();
    Sample start_;
};

} // namespace banger::qemu
