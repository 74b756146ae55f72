#include "qemu/config.hpp"

namespace banger::qemu {

namespace {

Json as_json(const TokenBucket& bucket) {
    Json body{{"size", bucket.size}, {"refill_time", bucket.refill_time}};
    if (bucket.one_time_burst)
        body["one_time_burst"] = *bucket.one_time_burst;
    return body;
}

Json as_json(const RateLimiter& limiter) {
    Json body = Json::object();
    if (limiter.bandwidth)
        body["bandwidth"] = as_json(*limiter.bandwidth);
    if (limiter.ops)
        body["ops"] = as_json(*limiter.ops);
    return body;
}

template <class T>
void add(Json& body, const char* key, const std::optional<T>& value) {
    if (value)
        body[key] = *value;
}

void add(Json& body, const char* key, const std::optional<RateLimiter>& limiter) {
    if (limiter && limiter->limits())
        body[key] = as_json(*limiter);
}

Json as_json(const Drive& drive) {
    Json body{{"drive_id", drive.drive_id},
              {"is_root_device", drive.is_root_device},
              {"cache_type", drive.cache_type},
              {"is_read_only", drive.is_read_only.value_or(false)},
              {"io_engine", drive.io_engine.value_or("Sync")}};
    add(body, "partuuid", drive.partuuid);
    add(body, "path_on_host", drive.path_on_host);
    add(body, "rate_limiter", drive.rate_limiter);
    return body;
}

Json as_json(const NetworkInterface& interface) {
    Json body{{"iface_id", interface.iface_id}, {"host_dev_name", interface.host_dev_name}};
    add(body, "guest_mac", interface.guest_mac);
    add(body, "mtu", interface.mtu);
    add(body, "rx_rate_limiter", interface.rx_rate_limiter);
    add(body, "tx_rate_limiter", interface.tx_rate_limiter);
    return body;
}

Json as_json(const BootSource& source) {
    Json body{{"kernel_image_path", source.kernel_image_path}};
    add(body, "initrd_path", source.initrd_path);
    add(body, "boot_args", source.boot_args);
    return body;
}

Json as_json(const Entropy& entropy) {
    Json body = Json::object();
    add(body, "rate_limiter", entropy.rate_limiter);
    return body;
}

Json as_json(const Vsock& vsock) {
    return {{"guest_cid", vsock.guest_cid}, {"uds_path", vsock.uds_path}};
}

Json as_json(const Logger& logger) {
    Json body = Json::object();
    add(body, "log_path", logger.log_path);
    add(body, "level", logger.level);
    add(body, "show_level", logger.show_level);
    add(body, "show_log_origin", logger.show_log_origin);
    add(body, "module", logger.module);
    return body;
}

Json as_json(const Metrics& metrics) {
    return {{"metrics_path", metrics.metrics_path}};
}

template <class T>
Json list(const std::vector<T>& values) {
    Json body = Json::array();
    for (const auto& value : values)
        body.push_back(as_json(value));
    return body;
}

template <class T>
void add_part(Json& body, const char* key, const std::optional<T>& part) {
    if (part)
        body[key] = as_json(*part);
}

} // namespace

Json as_json(const MachineConfig& config) {
    Json body{{"vcpu_count", config.vcpu_count},
              {"mem_size_mib", config.mem_size_mib},
              {"smt", config.smt},
              {"track_dirty_pages", config.track_dirty_pages},
              {"huge_pages", config.huge_pages}};
    if (config.cpu_template != "None")
        body["cpu_template"] = config.cpu_template;
    return body;
}

Json as_json(const Balloon& balloon) {
    return {{"amount_mib", balloon.amount_mib},
            {"deflate_on_oom", balloon.deflate_on_oom},
            {"stats_polling_interval_s", balloon.stats_polling_interval_s},
            {"free_page_hinting", balloon.free_page_hinting},
            {"free_page_reporting", balloon.free_page_reporting}};
}

Json as_json(const VmConfig& config) {
    Json body{{"machine-config", as_json(config.machine)},
              {"drives", list(config.drives)},
              {"network-interfaces", list(config.interfaces)},
              {"pmem", Json::array()}};
    add_part(body, "boot-source", config.boot_source);
    add_part(body, "vsock", config.vsock);
    add_part(body, "entropy", config.entropy);
    add_part(body, "balloon", config.balloon);
    add_part(body, "logger", config.logger);
    add_part(body, "metrics", config.metrics);
    return body;
}

} // namespace banger::qemu
