// What carries a machine out: QEMU, or nobody (--null). Everything happens in the main loop.
#pragma once

#include "base/error.hpp"
#include "base/loop.hpp"
#include "qemu/config.hpp"
#include "qemu/hybrid.hpp"

#include <functional>
#include <memory>

namespace banger::qemu {

/// What a guest's end means for this process: its exit status, and why when that is not 0.
using OnEnd = std::function<void(int status, const std::string& reason)>;
/// Called once, when it went well (empty) or did not.
using Done = std::function<void(std::optional<Error>)>;
using DoneWith = std::function<void(Outcome<Json>)>;

class Guest {
public:
    virtual ~Guest() = default;

    /// Before the start: makes sure that the interface's tap can be had. Throws Error.
    virtual void prepare_tap(const NetworkInterface& interface) = 0;
    /// Before the start: binds vsock.uds_path (in place of a former one). Connections wait until the start.
    /// Throws Error.
    void listen_vsock(const Vsock& vsock) {
        listener_.reset(); // first, or it would unlink its successor
        listener_ = std::make_unique<HybridListener>(vsock.uds_path);
    }
    /// Done when the guest's CPUs run.
    virtual void start(const VmConfig& config, Done done) = 0;

    virtual void pause(Done done) = 0;
    virtual void resume(Done done) = 0;
    virtual void send_ctrl_alt_del(Done done) = 0;
    /// What the guest is left with when the balloon holds `balloon_mib` of its `memory_mib`.
    virtual void set_balloon(uint64_t memory_mib, uint64_t balloon_mib, Done done) = 0;
    virtual void set_balloon_interval(unsigned seconds, Done done) = 0;
    /// Firecracker's BalloonStats, but for the targets.
    virtual void balloon_statistics(uint64_t memory_mib, DoneWith done) = 0;
    virtual void set_drive_limits(const std::string& drive_id, const RateLimiter& limiter, Done done) = 0;

protected:
    Guest() = default;
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;
    std::unique_ptr<HybridListener> listener_; ///< none without a vsock
};

} // namespace banger::qemu
