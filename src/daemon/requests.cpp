#include "daemon/requests.hpp"

#include "base/size.hpp"
#include "daemon/host.hpp"

namespace banger::daemon {

namespace {

constexpr uint32_t least_memory = 16;
constexpr uint64_t least_disk = uint64_t{32} << 20;
constexpr uint64_t most_disk = uint64_t{16} << 40; // ext4's own limit with 4 KiB blocks
constexpr uint32_t day_ms = 24 * 3600 * 1000;

std::chrono::milliseconds take_ready_timeout(bus::Options& options) {
    return std::chrono::milliseconds(options.take_number("ready-timeout-ms", 120'000, 1, day_ms));
}

std::string take_vmm(bus::Options& options) {
    auto vmm = options.take_or<std::string>("vmm", "auto");
    if (vmm != "auto" && vmm != "firecracker" && vmm != "qemu" && vmm != "null")
        throw Error(ErrorCode::InvalidArgument, "no such VMM: " + vmm.substr(0, 64),
                    "one of auto, firecracker, qemu");
    return vmm;
}

std::string take_null_mode(bus::Options& options, const std::string& vmm) {
    const auto mode = options.take<std::string>("null-mode");
    if (!mode)
        return {};
    if (vmm != "null")
        throw Error(ErrorCode::InvalidArgument, "null-mode goes with vmm=null only");
    if (*mode != "never-ready" && *mode != "die-at-start")
        throw Error(ErrorCode::InvalidArgument, "no such null-mode: " + mode->substr(0, 64),
                    "one of never-ready, die-at-start");
    return *mode;
}

uint64_t take_disk(bus::Options& options) {
    const auto bytes = options.take_or<uint64_t>("disk-bytes", uint64_t{4} << 30);
    if (bytes < least_disk || bytes > most_disk)
        throw Error(ErrorCode::InvalidArgument, "disk-bytes is " + std::to_string(bytes) +
                                                    ", but must be from " + human_size(least_disk) + " to " +
                                                    human_size(most_disk));
    return bytes;
}

template <class T>
std::optional<T> take_name(bus::Options& options, const std::string& key, std::string_view noun) {
    const auto text = options.take<std::string>(key);
    return text ? std::optional(T::parse(*text, noun)) : std::nullopt;
}

} // namespace

CreateRequest parse_create(bus::Options& options, uint64_t host_mib) {
    CreateRequest request;
    request.name = take_name<DnsLabel>(options, "name", "VM name");
    request.image = take_name<StoreName>(options, "image", "image name");
    request.kernel = take_name<StoreName>(options, "kernel", "kernel name");
    request.vcpus = options.take_number("vcpus", request.vcpus, 1, 32);
    request.memory_mib = options.take_number("memory-mib", request.memory_mib, least_memory, UINT32_MAX);
    request.disk_bytes = take_disk(options);
    request.start = options.take_or<bool>("start", false);
    request.nat = options.take_or<bool>("nat", true);
    request.ephemeral = options.take_or<bool>("ephemeral", false);
    request.tied = options.take_or<bool>("tied", false);
    request.vmm = take_vmm(options);
    request.null_mode = take_null_mode(options, request.vmm);
    request.ready_timeout = take_ready_timeout(options);
    options.finish();
    require_memory(request.memory_mib, host_mib);
    return request;
}

std::chrono::milliseconds parse_start(bus::Options& options) {
    const auto timeout = take_ready_timeout(options);
    options.finish();
    return timeout;
}

StopRequest parse_stop(bus::Options& options) {
    StopRequest request;
    request.timeout = std::chrono::milliseconds(options.take_number("timeout-ms", 20'000, 0, day_ms));
    options.finish();
    return request;
}

bool parse_delete(bus::Options& options) {
    const bool force = options.take_or<bool>("force", false);
    options.finish();
    return force;
}

} // namespace banger::daemon
