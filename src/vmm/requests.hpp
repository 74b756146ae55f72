// The bodies of Firecracker's API requests as values, and their JSON. Field names and meanings are those of
// Firecracker 1.16's own OpenAPI description, against which tests/contract checks every one of them.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace banger::vmm {

/// PUT /boot-source. Paths are as the VMM sees them (inside its jail).
struct BootSource {
    std::string kernel_image_path;
    std::optional<std::string> initrd_path;
    std::optional<std::string> boot_args;
};

/// PUT /machine-config.
struct MachineConfig {
    unsigned vcpu_count = 1; ///< 1–32
    uint64_t mem_size_mib = 128;
    bool smt = false; ///< needs an even number of vCPUs, or one
    bool track_dirty_pages = false;
};

/// A token bucket: `size` tokens (bytes or operations), refilled in `refill_time_ms`.
struct TokenBucket {
    uint64_t size = 0;
    uint64_t refill_time_ms = 0;
    std::optional<uint64_t> one_time_burst;
};

struct RateLimiter {
    std::optional<TokenBucket> bandwidth; ///< tokens are bytes
    std::optional<TokenBucket> ops;
};

/// PUT /drives/{drive_id}. The guest sees drives in the order of the calls, the root device first.
struct Drive {
    std::string drive_id; ///< [A-Za-z0-9_]
    std::string path_on_host;
    bool is_root_device = false;
    bool is_read_only = false;
    bool writeback =
        false; ///< honour the guest's flushes (cache_type Writeback); else Unsafe, Firecracker's default
    std::optional<RateLimiter> rate_limiter;
};

/// PUT /network-interfaces/{iface_id}.
struct NetworkInterface {
    std::string iface_id; ///< [A-Za-z0-9_]
    std::string host_dev_name;
    std::optional<std::string> guest_mac;
    std::optional<unsigned> mtu; ///< 68–65535
    std::optional<RateLimiter> rx_rate_limiter;
    std::optional<RateLimiter> tx_rate_limiter;
};

/// PUT /vsock.
struct Vsock {
    uint32_t guest_cid = 3; ///< at least 3
    std::string uds_path;
};

/// PUT /entropy.
struct Entropy {
    std::optional<RateLimiter> rate_limiter;
};

/// PUT /balloon.
struct Balloon {
    uint64_t amount_mib = 0;
    bool deflate_on_oom = true;
    unsigned stats_polling_interval_s = 0; ///< 0: no statistics
    bool free_page_reporting = false;
};

/// PUT /snapshot/create; the VM must be paused.
struct SnapshotCreate {
    std::string snapshot_path;
    std::string mem_file_path;
    bool diff = false;
};

/// PUT /snapshot/load, in a VMM that was told nothing else yet.
struct SnapshotLoad {
    std::string snapshot_path;
    std::string mem_file_path;
    bool track_dirty_pages = false;
    bool resume_vm = false;
    std::vector<std::pair<std::string, std::string>> network_overrides; ///< {iface_id, host_dev_name}
    std::optional<std::string> vsock_uds_path;                          ///< since 1.16
};

enum class Action { InstanceStart, SendCtrlAltDel, FlushMetrics };
enum class VmState { Paused, Resumed };

nlohmann::json to_body(const BootSource& source);
nlohmann::json to_body(const MachineConfig& config);
nlohmann::json to_body(const Drive& drive);
nlohmann::json to_body(const NetworkInterface& interface);
nlohmann::json to_body(const Vsock& vsock);
nlohmann::json to_body(const Entropy& entropy);
nlohmann::json to_body(const Balloon& balloon);
nlohmann::json to_body(const SnapshotCreate& snapshot);
nlohmann::json to_body(const SnapshotLoad& snapshot);
nlohmann::json to_body(Action action);
nlohmann::json to_body(VmState state);

} // namespace banger::vmm
