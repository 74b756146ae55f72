// The client of a VMM's API, for worker threads: every call blocks until the VMM has answered.
#pragma once

#include "vmm/http.hpp"
#include "vmm/requests.hpp"

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <stop_token>
#include <string>

namespace banger::vmm {

/// GET /: what the VMM says of itself.
struct InstanceInfo {
    std::string id;
    std::string state; ///< "Not started", "Running", "Paused"; unknown values may come
    std::string vmm_version;
    std::string app_name; ///< "Firecracker", or "banger-qemu"
};

/// How long a call may take, and who may end it early.
struct CallLimits {
    std::chrono::milliseconds timeout{std::chrono::seconds(10)}; ///< for each call
    std::stop_token stop{};
};

/// One VMM. Used by one thread at a time; keeps one connection open between calls. Nothing happens before the
/// first call.
///
/// Errors of all calls: what the VMM refuses is InvalidArgument, or FailedPrecondition where it is the wrong
/// moment (before or after the start), with the VMM's own words (fault_message); nobody at the socket is
/// Unavailable; late is Timeout; stopped is Cancelled; an answer that makes no sense is Internal.
class VmmClient {
public:
    explicit VmmClient(std::string api_socket_path, CallLimits limits = {});

    void put_boot_source(const BootSource& source);
    void put_machine_config(const MachineConfig& config);
    void put_drive(const Drive& drive);
    void put_network_interface(const NetworkInterface& interface);
    void put_vsock(const Vsock& vsock);
    void put_entropy(const Entropy& entropy = {});
    void put_balloon(const Balloon& balloon);
    /// Changes the size of the balloon of a running VM.
    void set_balloon(uint64_t amount_mib);

    /// Firecracker answers when the vCPUs run; the guest has yet to boot.
    void start_instance();
    /// Asks the guest to end, as the keys do.
    void send_ctrl_alt_del();
    void pause();
    void resume();
    void create_snapshot(const SnapshotCreate& snapshot);
    void load_snapshot(const SnapshotLoad& snapshot);

    InstanceInfo describe();
    std::string version();
    nlohmann::json vm_config();

    /// Any request, as it stands. A null body is none; the answer is null where there is none.
    nlohmann::json call(const char* method, const std::string& path, const nlohmann::json& body);

private:
    HttpConnection connection_;
    CallLimits limits_;
};

} // namespace banger::vmm
