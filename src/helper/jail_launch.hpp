// What all launchers share: bubblewrap makes the jail, says which process will be the VMM and holds it back
// until it is let go. Or, with Firecracker's jailer, the process that makes the jail becomes the VMM.
#pragma once

#include "bus/errors.hpp"
#include "helper/launcher.hpp"

#include <chrono>
#include <string>

namespace banger::helper {

/// A start from the moment on at which bubblewrap's guardian is known. Who starts the guardian, and how, is
/// the heirs' affair.
class JailLaunch : public LaunchInProgress {
public:
    void go(LaunchEvents events) final;

protected:
    explicit JailLaunch(std::chrono::milliseconds patience)
        : patience_(patience) {}

    /// Gives `spec` the ends of the pipes that bubblewrap uses; they must stay open until it has them.
    struct Ends {
        OwnedFd info, block;
    };
    Ends make_talk(JailSpec& spec);

    /// go() was called; the way leads to guarded_by().
    virtual void begin() = 0;
    /// Lets the guardian execute bubblewrap.
    virtual void release() = 0;
    /// Is the guardian's child a process of this start's, by what only this launcher knows?
    virtual bool is_ours(int pid) const = 0;
    /// Has bubblewrap's child become the VMM?
    virtual bool executes(int pid) const = 0;
    /// It has.
    virtual void started(int pid) noexcept { (void)pid; }
    /// Kills what was started. Called once, when the start has failed.
    virtual void abandon() noexcept = 0;

    /// Called by the heir when it knows the guardian; once.
    void guarded_by(const ProcessId& monitor, OwnedFd pidfd);
    /// The same where there is no guardian: the process itself becomes the VMM.
    void becomes(const ProcessId& main, OwnedFd pidfd);
    /// The start has failed, for the reason that the jail's processes printed, or else for this one.
    void fail(const std::string& otherwise) noexcept;
    void finish(Outcome<ProcessId> outcome) noexcept;
    /// For the heir's destructor.
    void drop() noexcept;
    /// What is thrown within is the start's end.
    template <class Body>
    bool guarded(Body body) noexcept;

    uint32_t uid_ = 0;

private:
    bool read_info();
    void take_main(int pid);
    bool look();
    void wait_for_failure();
    void stop_watching() noexcept;

    std::chrono::milliseconds patience_;
    LaunchEvents events_;
    ProcessId monitor_, main_;
    OwnedFd monitor_fd_, main_fd_;
    OwnedFd info_, block_, output_;
    off_t begin_ = 0; ///< of this start's words in the output
    std::string info_text_;
    FdWatch info_watch_, end_watch_;
    Timer limit_, tick_;
    bool settled_ = false;
};

template <class Body>
bool JailLaunch::guarded(Body body) noexcept {
    try {
        return body();
    } catch (...) {
        finish(bus::current_error());
        return false;
    }
}

} // namespace banger::helper
