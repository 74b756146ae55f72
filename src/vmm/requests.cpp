#include "vmm/requests.hpp"

#include <nlohmann/json.hpp>

namespace banger::vmm {

using nlohmann::json;

namespace {

json to_json(const TokenBucket& bucket) {
    json body{{"size", bucket.size}, {"refill_time", bucket.refill_time_ms}};
    if (bucket.one_time_burst)
        body["one_time_burst"] = *bucket.one_time_burst;
    return body;
}

json to_json(const RateLimiter& limiter) {
    json body = json::object();
    if (limiter.bandwidth)
        body["bandwidth"] = to_json(*limiter.bandwidth);
    if (limiter.ops)
        body["ops"] = to_json(*limiter.ops);
    return body;
}

template <class T>
void add(json& body, const char* key, const std::optional<T>& value) {
    if (value)
        body[key] = *value;
}

void add(json& body, const char* key, const std::optional<RateLimiter>& limiter) {
    if (limiter)
        body[key] = to_json(*limiter);
}

} // namespace

json to_body(const BootSource& source) {
    json body{{"kernel_image_path", source.kernel_image_path}};
    add(body, "initrd_path", source.initrd_path);
    add(body, "boot_args", source.boot_args);
    return body;
}

json to_body(const MachineConfig& config) {
    return {{"vcpu_count", config.vcpu_count},
            {"mem_size_mib", config.mem_size_mib},
            {"smt", config.smt},
            {"track_dirty_pages", config.track_dirty_pages}};
}

json to_body(const Drive& drive) {
    json body{{"drive_id", drive.drive_id},
              {"path_on_host", drive.path_on_host},
              {"is_root_device", drive.is_root_device},
              {"is_read_only", drive.is_read_only},
              {"cache_type", drive.writeback ? "Writeback" : "Unsafe"}};
    add(body, "rate_limiter", drive.rate_limiter);
    return body;
}

json to_body(const NetworkInterface& interface) {
    json body{{"iface_id", interface.iface_id}, {"host_dev_name", interface.host_dev_name}};
    add(body, "guest_mac", interface.guest_mac);
    add(body, "mtu", interface.mtu);
    add(body, "rx_rate_limiter", interface.rx_rate_limiter);
    add(body, "tx_rate_limiter", interface.tx_rate_limiter);
    return body;
}

json to_body(const Vsock& vsock) {
    return {{"guest_cid", vsock.guest_cid}, {"uds_path", vsock.uds_path}};
}

json to_body(const Entropy& entropy) {
    json body = json::object();
    add(body, "rate_limiter", entropy.rate_limiter);
    return body;
}

json to_body(const Balloon& balloon) {
    return {{"amount_mib", balloon.amount_mib},
            {"deflate_on_oom", balloon.deflate_on_oom},
            {"stats_polling_interval_s", balloon.stats_polling_interval_s},
            {"free_page_reporting", balloon.free_page_reporting}};
}

json to_body(const SnapshotCreate& snapshot) {
    return {{"snapshot_path", snapshot.snapshot_path},
            {"mem_file_path", snapshot.mem_file_path},
            {"snapshot_type", snapshot.diff ? "Diff" : "Full"}};
}

json to_body(const SnapshotLoad& snapshot) {
    json body{{"snapshot_path", snapshot.snapshot_path},
              {"mem_backend", {{"backend_type", "File"}, {"backend_path", snapshot.mem_file_path}}},
              {"track_dirty_pages", snapshot.track_dirty_pages},
              {"resume_vm", snapshot.resume_vm}};
    for (const auto& [iface_id, host_dev_name] : snapshot.network_overrides)
        body["network_overrides"].push_back({{"iface_id", iface_id}, {"host_dev_name", host_dev_name}});
    if (snapshot.vsock_uds_path)
        body["vsock_override"] = {{"uds_path", *snapshot.vsock_uds_path}};
    return body;
}

json to_body(Action action) {
    const char* name = "FlushMetrics";
    if (action == Action::InstanceStart)
        name = "InstanceStart";
    else if (action == Action::SendCtrlAltDel)
        name = "SendCtrlAltDel";
    return {{"action_type", name}};
}

json to_body(VmState state) {
    return {{"state", state == VmState::Paused ? "Paused" : "Resumed"}};
}

} // namespace banger::vmm
