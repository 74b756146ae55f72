// The machine as its API sees it: the configuration, the state, and what each request does to them.
#pragma once

#include "qemu/guest.hpp"
#include "qemu/records.hpp"
#include "qemu/request.hpp"

#include <functional>
#include <string>

namespace banger::qemu {

/// The Firecracker whose API this is; GET /version answers it.
inline constexpr std::string_view api_version = "1.16.1";

struct Answer {
    unsigned status = 204;
    std::string body; ///< JSON, or nothing
};

/// {"fault_message": …}
Answer fault(std::string_view message, unsigned status = 400);

/// One request at a time: the next is handled after the answer to the last was given.
class Machine {
public:
    using Reply = std::function<void(Answer)>;

    Machine(std::string id, Guest& guest, Records& records)
        : id_(std::move(id))
        , guest_(guest)
        , records_(records) {}

    /// Calls `reply` once: at once, or when the guest has done its part. Never throws.
    void handle(const Request& request, const Reply& reply) noexcept;

private:
    enum class State { NotStarted, Running, Paused };

    void on(Get get, const Reply& reply);
    void on(const BootSource& source, const Reply& reply);
    void on(const MachineChange& change, const Reply& reply);
    void on(const Drive& drive, const Reply& reply);
    void on(const DriveUpdate& update, const Reply& reply);
    void on(const NetworkInterface& interface, const Reply& reply);
    void on(const NetworkUpdate& update, const Reply& reply);
    void on(const Vsock& vsock, const Reply& reply);
    void on(const Entropy& entropy, const Reply& reply);
    void on(const Balloon& balloon, const Reply& reply);
    void on(const BalloonUpdate& update, const Reply& reply);
    void on(const BalloonStatisticsUpdate& update, const Reply& reply);
    void on(const Serial& serial, const Reply& reply);
    void on(const Logger& logger, const Reply& reply);
    void on(const Metrics& metrics, const Reply& reply);
    void on(const MmdsPut& put, const Reply& reply);
    void on(const MmdsPatch& patch, const Reply& reply);
    void on(const MmdsConfig& config, const Reply& reply);
    void on(Action action, const Reply& reply);
    void on(VmState state, const Reply& reply);
    void on(const Unsupported& unsupported, const Reply& reply);

    void start(const Reply& reply);
    void answer_balloon_statistics(const Reply& reply);
    void answer_mmds(const Reply& reply) const;
    void store_mmds(Json data, const Reply& reply);
    std::string state_name() const;
    void require_not_started() const;
    void require_started() const;
    Balloon& require_balloon();

    std::string id_;
    Guest& guest_;
    Records& records_;
    State state_ = State::NotStarted;
    VmConfig config_;
    std::optional<Json> mmds_;
};

} // namespace banger::qemu
