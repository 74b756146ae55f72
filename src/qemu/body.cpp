#include "qemu/body.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <cctype>
#include <limits>

namespace banger::qemu {

namespace {

constexpr auto u64_max = std::numeric_limits<uint64_t>::max();
constexpr auto u32_max = std::numeric_limits<uint32_t>::max();
constexpr auto u16_max = std::numeric_limits<uint16_t>::max();

TokenBucket parse_token_bucket(const Json& body) {
    // Unlike the others, a bucket may hold fields that nobody knows: Firecracker reads it so.
    if (!body.is_object())
        refuse_body("invalid type: a token bucket must be a map");
    const Json known{{"size", body.contains("size") ? body["size"] : Json()},
                     {"refill_time", body.contains("refill_time") ? body["refill_time"] : Json()},
                     {"one_time_burst", body.contains("one_time_burst") ? body["one_time_burst"] : Json()}};
    const ObjectReader reader(known, {"size", "refill_time", "one_time_burst"});
    for (const char* key : {"size", "refill_time"})
        if (!body.contains(key))
            refuse_body("missing field `" + std::string(key) + "`");
    return {reader.number("size", u64_max, "u64"), reader.number("refill_time", u64_max, "u64"),
            reader.maybe_number("one_time_burst", u64_max, "u64")};
}

std::optional<TokenBucket> maybe_bucket(const ObjectReader& reader, const char* key) {
    return reader.has(key) ? std::optional(parse_token_bucket(reader.field(key))) : std::nullopt;
}

std::optional<RateLimiter> maybe_limiter(const ObjectReader& reader, const char* key) {
    if (!reader.has(key))
        return std::nullopt;
    const ObjectReader limiter(reader.field(key), {"bandwidth", "ops"});
    return RateLimiter{maybe_bucket(limiter, "bandwidth"), maybe_bucket(limiter, "ops")};
}

/// Present, or its default; null is refused, as for a field that is no Option in Firecracker.
bool flag_or(const ObjectReader& reader, const Json& body, const char* key, bool otherwise) {
    return body.contains(key) ? reader.flag(key) : otherwise;
}

/// Six pairs of hex digits: QEMU's command line gets nothing else.
std::string checked_mac(const std::string& text) {
    bool good = text.size() == 17;
    for (size_t i = 0; good && i < text.size(); ++i)
        good = i % 3 == 2 ? text[i] == ':' : std::isxdigit(static_cast<unsigned char>(text[i])) != 0;
    if (!good)
        refuse_body("The provided MAC address is invalid");
    auto lower = text;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return lower;
}

MachineUpdate parse_machine(const Json& body) {
    const ObjectReader reader(
        body, {"vcpu_count", "mem_size_mib", "smt", "cpu_template", "track_dirty_pages", "huge_pages"});
    MachineUpdate update;
    if (const auto count = reader.maybe_number("vcpu_count", 255, "u8"))
        update.vcpu_count = static_cast<unsigned>(*count);
    update.mem_size_mib = reader.maybe_number("mem_size_mib", u64_max, "usize");
    update.smt = reader.maybe_flag("smt");
    update.track_dirty_pages = reader.maybe_flag("track_dirty_pages");
    update.huge_pages = reader.maybe_one_of("huge_pages", {"None", "2M"});
    update.cpu_template =
        reader.maybe_one_of("cpu_template", {"C3", "T2", "T2S", "T2CL", "T2A", "V1N1", "None"});
    return update;
}

} // namespace

BootSource parse_boot_source(const Json& body) {
    const ObjectReader reader(body, {"kernel_image_path", "initrd_path", "boot_args"});
    return {reader.text("kernel_image_path"), reader.maybe_text("initrd_path"),
            reader.maybe_text("boot_args")};
}

MachineUpdate parse_machine_config(const Json& body) {
    auto update = parse_machine(body);
    for (const char* key : {"vcpu_count", "mem_size_mib"})
        if (!body.contains(key))
            refuse_body("missing field `" + std::string(key) + "`");
    if (!update.vcpu_count || !update.mem_size_mib)
        refuse_body("invalid type: null, expected a number");
    const MachineConfig defaults;
    update.smt = update.smt.value_or(defaults.smt);
    update.track_dirty_pages = update.track_dirty_pages.value_or(defaults.track_dirty_pages);
    update.huge_pages = update.huge_pages.value_or(defaults.huge_pages);
    return update;
}

MachineUpdate parse_machine_update(const Json& body) {
    auto update = parse_machine(body);
    if (!update.vcpu_count && !update.mem_size_mib && !update.smt && !update.track_dirty_pages &&
        !update.huge_pages && !update.cpu_template)
        throw Error(ErrorCode::InvalidArgument, "Empty PATCH request.");
    return update;
}

Drive parse_drive(const Json& body) {
    const ObjectReader reader(body, {"drive_id", "partuuid", "is_root_device", "cache_type", "is_read_only",
                                     "path_on_host", "rate_limiter", "io_engine", "socket"});
    Drive drive;
    drive.drive_id = reader.text("drive_id");
    drive.is_root_device = reader.flag("is_root_device");
    drive.partuuid = reader.maybe_text("partuuid");
    if (body.contains("cache_type"))
        drive.cache_type = reader.one_of("cache_type", {"Unsafe", "Writeback"});
    drive.is_read_only = reader.maybe_flag("is_read_only");
    drive.path_on_host = reader.maybe_text("path_on_host");
    drive.rate_limiter = maybe_limiter(reader, "rate_limiter");
    drive.io_engine = reader.maybe_one_of("io_engine", {"Sync", "Async"});
    drive.socket = reader.maybe_text("socket");
    return drive;
}

DriveUpdate parse_drive_update(const Json& body) {
    const ObjectReader reader(body, {"drive_id", "path_on_host", "rate_limiter"});
    return {reader.text("drive_id"), reader.maybe_text("path_on_host"),
            maybe_limiter(reader, "rate_limiter")};
}

NetworkInterface parse_network_interface(const Json& body) {
    const ObjectReader reader(
        body, {"iface_id", "host_dev_name", "guest_mac", "mtu", "rx_rate_limiter", "tx_rate_limiter"});
    NetworkInterface interface;
    interface.iface_id = reader.text("iface_id");
    interface.host_dev_name = reader.text("host_dev_name");
    if (const auto mac = reader.maybe_text("guest_mac"))
        interface.guest_mac = checked_mac(*mac);
    if (const auto mtu = reader.maybe_number("mtu", u16_max, "u16"))
        interface.mtu = static_cast<unsigned>(*mtu);
    interface.rx_rate_limiter = maybe_limiter(reader, "rx_rate_limiter");
    interface.tx_rate_limiter = maybe_limiter(reader, "tx_rate_limiter");
    return interface;
}

NetworkUpdate parse_network_update(const Json& body) {
    const ObjectReader reader(body, {"iface_id", "rx_rate_limiter", "tx_rate_limiter"});
    return {reader.text("iface_id"), maybe_limiter(reader, "rx_rate_limiter"),
            maybe_limiter(reader, "tx_rate_limiter")};
}

Vsock parse_vsock(const Json& body) {
    const ObjectReader reader(body, {"vsock_id", "guest_cid", "uds_path"});
    reader.maybe_text("vsock_id"); // deprecated: its type is checked, and that is all
    return {static_cast<uint32_t>(reader.number("guest_cid", u32_max, "u32")), reader.text("uds_path")};
}

Entropy parse_entropy(const Json& body) {
    const ObjectReader reader(body, {"rate_limiter"});
    return {maybe_limiter(reader, "rate_limiter")};
}

Balloon parse_balloon(const Json& body) {
    const ObjectReader reader(body, {"amount_mib", "deflate_on_oom", "stats_polling_interval_s",
                                     "free_page_hinting", "free_page_reporting"});
    Balloon balloon;
    balloon.amount_mib = static_cast<uint32_t>(reader.number("amount_mib", u32_max, "u32"));
    balloon.deflate_on_oom = reader.flag("deflate_on_oom");
    if (body.contains("stats_polling_interval_s"))
        balloon.stats_polling_interval_s =
            static_cast<unsigned>(reader.number("stats_polling_interval_s", u16_max, "u16"));
    balloon.free_page_hinting = flag_or(reader, body, "free_page_hinting", false);
    balloon.free_page_reporting = flag_or(reader, body, "free_page_reporting", false);
    return balloon;
}

Serial parse_serial(const Json& body) {
    const ObjectReader reader(body, {"serial_out_path", "rate_limiter"});
    return {reader.maybe_text("serial_out_path"), maybe_bucket(reader, "rate_limiter")};
}

Logger parse_logger(const Json& body) {
    const ObjectReader reader(body, {"log_path", "level", "show_level", "show_log_origin", "module"});
    Logger logger;
    logger.log_path = reader.maybe_text("log_path");
    logger.level = reader.maybe_text("level");
    logger.show_level = reader.maybe_flag("show_level");
    logger.show_log_origin = reader.maybe_flag("show_log_origin");
    logger.module = reader.maybe_text("module");
    if (logger.level) {
        // Any case goes in (the OpenAPI description says so); its own spelling comes out.
        auto spelt = *logger.level;
        for (size_t i = 0; i < spelt.size(); ++i)
            spelt[i] = static_cast<char>(i ? std::tolower(static_cast<unsigned char>(spelt[i]))
                                           : std::toupper(static_cast<unsigned char>(spelt[i])));
        if (spelt == "Warn")
            spelt = "Warning";
        const auto levels = {"Error", "Warning", "Info", "Debug", "Trace", "Off"};
        if (std::find(levels.begin(), levels.end(), spelt) == levels.end())
            refuse_body("unknown variant `" + logger.level->substr(0, 64) +
                        "`, expected one of `Error`, `Warning`, `Info`, `Debug`, `Trace`, `Off`");
        logger.level = spelt;
    }
    return logger;
}

Metrics parse_metrics(const Json& body) {
    if (!body.is_object())
        refuse_body("invalid type: metrics must be a map");
    if (!body.contains("metrics_path"))
        refuse_body("missing field `metrics_path`");
    const Json known{{"metrics_path", body["metrics_path"]}};
    return {ObjectReader(known, {"metrics_path"}).text("metrics_path")};
}

MmdsConfig parse_mmds_config(const Json& body) {
    const ObjectReader reader(body, {"version", "network_interfaces", "ipv4_address", "imds_compat"});
    MmdsConfig config;
    if (body.contains("version"))
        config.version = reader.one_of("version", {"V1", "V2"});
    const auto& interfaces = reader.field("network_interfaces");
    if (!interfaces.is_array())
        refuse_body("invalid type: network_interfaces must be a sequence");
    for (const auto& interface : interfaces) {
        if (!interface.is_string())
            refuse_body("invalid type: a network interface's id must be a string");
        config.network_interfaces.push_back(interface.get<std::string>());
    }
    config.ipv4_address = reader.maybe_text("ipv4_address");
    config.imds_compat = flag_or(reader, body, "imds_compat", false);
    return config;
}

} // namespace banger::qemu
