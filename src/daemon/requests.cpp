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

std::optional<uint64_t> take_disk(bus::Options& options) {
    const auto bytes = options.take<uint64_t>("disk-bytes");
    if (bytes && (*bytes < least_disk || *bytes > most_disk))
        throw Error(ErrorCode::InvalidArgument, "disk-bytes is " + std::to_string(*bytes) +
                                                    ", but must be from " + human_size(least_disk) + " to " +
                                                    human_size(most_disk));
    return bytes;
}

/// A number that may be absent, within bounds.
std::optional<uint32_t> take_some(bus::Options& options, const std::string& key, uint32_t least,
                                  uint32_t most) {
    const auto number = options.take<uint32_t>(key);
    if (number && (*number < least || *number > most))
        throw Error(ErrorCode::InvalidArgument, key + " is " + std::to_string(*number) +
                                                    ", but must be from " + std::to_string(least) + " to " +
                                                    std::to_string(most));
    return number;
}

std::chrono::milliseconds take_stop_timeout(bus::Options& options) {
    return std::chrono::milliseconds(options.take_number("timeout-ms", 20'000, 0, day_ms));
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
    request.disk_bytes = take_disk(options).value_or(request.disk_bytes);
    request.start = options.take_or<bool>("start", false);
    request.nat = options.take_or<bool>("nat", true);
    request.ephemeral = options.take_or<bool>("ephemeral", false);
    request.tied = options.take_or<bool>("tied", false);
    request.autostart = options.take_or<bool>("autostart", false);
    request.is_protected = options.take_or<bool>("protected", false);
    request.auto_stop_after = options.take_number("auto-stop-after-s", 0, 0, UINT32_MAX);
    if (request.ephemeral && (request.is_protected || request.autostart))
        throw Error(ErrorCode::InvalidArgument,
                    "an ephemeral VM goes by itself: protected and autostart are not for it");
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
    request.timeout = take_stop_timeout(options);
    options.finish();
    return request;
}

RestartRequest parse_restart(bus::Options& options) {
    RestartRequest request;
    request.stop.timeout = take_stop_timeout(options);
    request.start.ready_timeout = take_ready_timeout(options);
    options.finish();
    return request;
}

SignalName parse_kill(bus::Options& options) {
    auto signal = SignalName::parse(options.take_or<std::string>("signal", "KILL"));
    options.finish();
    return signal;
}

SetRequest parse_set(bus::Options& options, uint64_t host_mib) {
    SetRequest request;
    request.vcpus = take_some(options, "vcpus", 1, 32);
    request.memory_mib = take_some(options, "memory-mib", least_memory, UINT32_MAX);
    request.disk_bytes = take_disk(options);
    request.nat = options.take<bool>("nat");
    request.autostart = options.take<bool>("autostart");
    request.is_protected = options.take<bool>("protected");
    request.auto_stop_after = options.take<uint32_t>("auto-stop-after-s");
    options.finish();
    if (!request.needs_rest() && !request.nat && !request.autostart && !request.is_protected &&
        !request.auto_stop_after)
        throw Error(ErrorCode::InvalidArgument, "nothing is to be set",
                    "name at least one of vcpus, memory-mib, disk-bytes, nat, autostart, protected, "
                    "auto-stop-after-s");
    if (request.memory_mib)
        require_memory(*request.memory_mib, host_mib);
    return request;
}

WaitRequest parse_wait(bus::Options& options) {
    WaitRequest request;
    if (const auto names = options.take<std::vector<std::string>>("until")) {
        request.until.clear();
        for (const auto& name : *names) {
            const auto state = find_vm_state(name);
            if (!state)
                throw Error(ErrorCode::InvalidArgument, "no such state: " + name.substr(0, 64),
                            "one of created, starting, running, paused, stopping, stopped, failed, deleting");
            request.until.push_back(*state);
        }
        if (request.until.empty())
            throw Error(ErrorCode::InvalidArgument, "until names no state");
    }
    if (const auto timeout = options.take<uint32_t>("timeout-ms"))
        request.timeout = std::chrono::milliseconds(*timeout);
    options.finish();
    return request;
}

bool parse_console_log(bus::Options& options) {
    const bool previous = options.take_or<bool>("previous", false);
    options.finish();
    return previous;
}

bool parse_prune(bus::Options& options) {
    const bool dry_run = options.take_or<bool>("dry-run", false);
    options.finish();
    return dry_run;
}

bool parse_open_session(bus::Options& options) {
    const bool early = options.take_or<bool>("early", false);
    options.finish();
    return early;
}

bool parse_delete(bus::Options& options) {
    const bool force = options.take_or<bool>("force", false);
    options.finish();
    return force;
}

} // namespace banger::daemon
