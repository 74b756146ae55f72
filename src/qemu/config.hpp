// What a machine is configured with: the bodies of Firecracker's API as values, checked in form and range but
// not yet against the host or each other. Names are those of its OpenAPI description (1.16).
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace banger::qemu {

using Json = nlohmann::json;

struct TokenBucket {
    uint64_t size = 0;
    uint64_t refill_time = 0; ///< milliseconds
    std::optional<uint64_t> one_time_burst;
};

struct RateLimiter {
    std::optional<TokenBucket> bandwidth; ///< bytes
    std::optional<TokenBucket> ops;
    bool limits() const { return bandwidth || ops; }
};

struct BootSource {
    std::string kernel_image_path;
    std::optional<std::string> initrd_path;
    std::optional<std::string> boot_args;
};

struct MachineConfig {
    unsigned vcpu_count = 1;
    uint64_t mem_size_mib = 128;
    bool smt = false;
    bool track_dirty_pages = false;
    std::string huge_pages = "None";
    std::string cpu_template = "None";
};

/// PUT and PATCH /machine-config: what is absent stays.
struct MachineUpdate {
    std::optional<unsigned> vcpu_count;
    std::optional<uint64_t> mem_size_mib;
    std::optional<bool> smt;
    std::optional<bool> track_dirty_pages;
    std::optional<std::string> huge_pages;
    std::optional<std::string> cpu_template;
};

struct Drive {
    std::string drive_id;
    bool is_root_device = false;
    std::optional<std::string> partuuid;
    std::string cache_type = "Unsafe";
    std::optional<bool> is_read_only;
    std::optional<std::string> path_on_host;
    std::optional<RateLimiter> rate_limiter;
    std::optional<std::string> io_engine;
    std::optional<std::string> socket; ///< of a vhost-user backend
};

struct DriveUpdate {
    std::string drive_id;
    std::optional<std::string> path_on_host;
    std::optional<RateLimiter> rate_limiter;
};

struct NetworkInterface {
    std::string iface_id;
    std::string host_dev_name;
    std::optional<std::string> guest_mac;
    std::optional<unsigned> mtu;
    std::optional<RateLimiter> rx_rate_limiter;
    std::optional<RateLimiter> tx_rate_limiter;
};

struct NetworkUpdate {
    std::string iface_id;
    std::optional<RateLimiter> rx_rate_limiter;
    std::optional<RateLimiter> tx_rate_limiter;
};

struct Vsock {
    uint32_t guest_cid = 0;
    std::string uds_path;
};

struct Entropy {
    std::optional<RateLimiter> rate_limiter;
};

struct Balloon {
    uint32_t amount_mib = 0;
    bool deflate_on_oom = false;
    unsigned stats_polling_interval_s = 0;
    bool free_page_hinting = false;
    bool free_page_reporting = false;
};

struct Serial {
    std::optional<std::string> serial_out_path;
    std::optional<TokenBucket> rate_limiter;
};

struct Logger {
    std::optional<std::string> log_path;
    std::optional<std::string> level;
    std::optional<bool> show_level;
    std::optional<bool> show_log_origin;
    std::optional<std::string> module;
};

struct Metrics {
    std::string metrics_path;
};

struct MmdsConfig {
    std::string version = "V1";
    std::vector<std::string> network_interfaces;
    std::optional<std::string> ipv4_address;
    bool imds_compat = false;
};

/// All that a guest is made of.
struct VmConfig {
    std::optional<BootSource> boot_source;
    MachineConfig machine;
    std::vector<Drive> drives; ///< the root device first
    std::vector<NetworkInterface> interfaces;
    std::optional<Vsock> vsock;
    std::optional<Entropy> entropy;
    std::optional<Balloon> balloon;
    Serial serial;
    std::optional<Logger> logger;
    std::optional<Metrics> metrics;
};

/// As GET answers it. Absent fields are left out.
Json as_json(const MachineConfig& config);
Json as_json(const Balloon& balloon);
Json as_json(const VmConfig& config);

} // namespace banger::qemu
