// The root helper, called from a worker thread on a system bus connection of its own. A call waits for the
// answer, the stop token and the time limit together.
#pragma once

#include "base/fd.hpp"
#include "base/names.hpp"
#include "base/net_types.hpp"
#include "bus/compat.hpp"
#include "daemon/vm/vmm_choice.hpp"

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace banger::daemon {

/// What Launch is told; see org.banger.Helper1.Machine. Descriptors are the caller's until the call.
struct LaunchRequest {
    struct Drive {
        std::string name;
        bool read_only = true;
        OwnedFd file;
    };
    std::string vmm;
    std::string null_mode; ///< empty: not given
    OwnedFd kernel;        ///< empty: not given; the same for the next two
    OwnedFd initrd;
    OwnedFd console;
    std::vector<Drive> drives;
    bool tap = true;
    uint32_t vcpus = 1;
    uint32_t memory_mib = 128;
};

struct Launched {
    std::string unit; ///< empty without systemd
    int pid = 0;
    std::string api_socket;
    std::string vsock_socket;
};

/// What Inspect says.
struct MachineFacts {
    std::string state; ///< running, exited, absent
    int pid = 0;
    std::string api_socket;
    std::string vsock_socket;
    std::string vmm;
    std::string tap;
};

/// Used by one thread at a time. Errors: as the helper has them; Unavailable when it cannot be reached;
/// Cancelled on a stop, after which the connection is given up, so that the helper forgets what it was about
/// to ask polkit for.
class HelperClient {
public:
    HelperClient() = default;
    HelperClient(const HelperClient&) = delete;

    /// For the calls of one operation: may polkit ask the user, and who may end them early.
    void begin(bool interactive, std::stop_token stop);
    /// From now on calls run to their end: for undo.
    void ignore_stop() { stop_ = {}; }

    void ensure_bridge(const std::string& bridge, const Ipv4Cidr& address);
    std::string create_tap(const VmId& vm, const std::string& bridge);
    /// The guest's address, which its tap passes from then on; `on`: it may reach beyond this host.
    void set_nat(const VmId& vm, const Ipv4Address& address, bool on);
    void delete_tap(const VmId& vm);
    Launched launch(const VmId& vm, const LaunchRequest& request);
    MachineFacts inspect(const VmId& vm);
    /// Nothing asks for a password; the host is looked at anew.
    OfferedVmms vmms();
    std::vector<std::string> list();
    void kill(const VmId& vm);
    void cleanup(const VmId& vm);

private:
    /// What remains of a call until its answer is there.
    struct Call;
    bus::Variants options() const;
    void connect();
    void disconnect() noexcept;
    void await(Call& call);
    template <class... Out, class... In>
    std::tuple<Out...> invoke(const char* interface, const char* method, const In&... in);
    template <class... Out, class... In>
    void send(Call& call, std::tuple<Out...>& answer, const char* interface, const char* method,
              const In&... in);

    std::unique_ptr<sdbus::IConnection> connection_;
    std::unique_ptr<sdbus::IProxy> proxy_;
    bool interactive_ = false;
    std::stop_token stop_;
};

} // namespace banger::daemon
