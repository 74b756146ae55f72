// No guest at all: answers as one would, for tests of what stands above a VMM.
#pragma once

#include "qemu/guest.hpp"

namespace banger::qemu {

enum class NullMode {
    Ordinary,
    NeverReady, ///< starts, but never says that it is ready, and refuses every connection
    DieAtStart, ///< ends with status 1 when it is to start
};

class NullGuest : public Guest {
public:
    /// `loop` outlives the process's last session: threads of their own serve those.
    NullGuest(Loop& loop, NullMode mode, OnEnd on_end)
        : loop_(loop)
        , mode_(mode)
        , on_end_(std::move(on_end)) {}

    void prepare_tap(const NetworkInterface&) override {}
    void start(const VmConfig& config, Done done) override;
    void pause(Done done) override { done(std::nullopt); }
    void resume(Done done) override { done(std::nullopt); }
    void send_ctrl_alt_del(Done done) override;
    void set_balloon(uint64_t, uint64_t, Done done) override { done(std::nullopt); }
    void set_balloon_interval(unsigned, Done done) override { done(std::nullopt); }
    void balloon_statistics(uint64_t memory_mib, DoneWith done) override;
    void set_drive_limits(const std::string&, const RateLimiter&, Done done) override { done(std::nullopt); }

private:
    void connect(OwnedFd client, uint32_t port);
    void say_ready() const;

    Loop& loop_;
    NullMode mode_;
    OnEnd on_end_;
    size_t sessions_ = 0;
};

} // namespace banger::qemu
