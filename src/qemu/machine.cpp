#include "qemu/machine.hpp"

#include "base/fd.hpp"
#include "qemu/devices.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace banger::qemu {

namespace {

constexpr unsigned most_vcpus = 32;
constexpr size_t longest_command_line = 2048; // COMMAND_LINE_SIZE on x86

[[noreturn]] void refuse(const std::string& message) {
    throw Error(ErrorCode::InvalidArgument, message);
}

Answer ok(const Json& body) {
    return {200, body.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

/// Makes sure that the file can be opened so, and says why not as Firecracker does.
void check_opens(const std::string& path, int flags, const std::string& prefix) {
    const OwnedFd fd(::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK));
    const int error_number = errno;
    if (!fd)
        refuse(prefix + std::strerror(error_number) + " (os error " + std::to_string(error_number) + ") " +
               path);
}

template <class F>
void with_prefix(const std::string& prefix, F&& work) {
    try {
        work();
    } catch (const Error& error) {
        refuse(prefix + error.message());
    }
}

MachineConfig updated(MachineConfig config, const MachineUpdate& update) {
    config.vcpu_count = update.vcpu_count.value_or(config.vcpu_count);
    config.mem_size_mib = update.mem_size_mib.value_or(config.mem_size_mib);
    config.smt = update.smt.value_or(config.smt);
    config.track_dirty_pages = update.track_dirty_pages.value_or(config.track_dirty_pages);
    config.huge_pages = update.huge_pages.value_or(config.huge_pages);
    config.cpu_template = update.cpu_template.value_or(config.cpu_template);
    return config;
}

void check(const MachineConfig& config) {
    if (config.vcpu_count == 0 || config.vcpu_count > most_vcpus ||
        (config.smt && config.vcpu_count > 1 && config.vcpu_count % 2 == 1))
        refuse("Machine config error: The number of vCPUs must be greater than 0, less than 32 and must be 1 "
               "or an even "
               "number if SMT is enabled.");
    // QEMU counts in bytes, in 64 bits with a sign.
    if (config.mem_size_mib == 0 || config.mem_size_mib > (uint64_t{1} << 42))
        refuse("Machine config error: The memory size (MiB) is either 0, or not a multiple of the configured "
               "page size.");
    if (config.huge_pages != "None")
        refuse("Machine config error: banger-qemu has no huge pages.");
    if (config.cpu_template != "None")
        refuse("Machine config error: banger-qemu has no CPU templates.");
}

} // namespace

Answer fault(std::string_view message, unsigned status) {
    return {status, Json{{"fault_message", message}}.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

void Machine::handle(const Request& request, const Reply& reply) noexcept {
    try {
        std::visit([&](const auto& body) { on(body, reply); }, request);
    } catch (const std::exception& error) {
        reply(fault(error.what()));
    }
}

std::string Machine::state_name() const {
    if (state_ == State::NotStarted)
        return "Not started";
    return state_ == State::Running ? "Running" : "Paused";
}

void Machine::require_not_started() const {
    if (state_ != State::NotStarted)
        refuse("The requested operation is not supported after starting the microVM.");
}

void Machine::require_started() const {
    if (state_ == State::NotStarted)
        refuse("The requested operation is not supported before starting the microVM.");
}

Balloon& Machine::require_balloon() {
    if (!config_.balloon)
        refuse("Balloon config error: No balloon device found.");
    return *config_.balloon;
}

void Machine::on(Get get, const Reply& reply) {
    switch (get) {
    case Get::Instance:
        return reply(ok({{"id", id_},
                         {"state", state_name()},
                         {"vmm_version", api_version},
                         {"app_name", "banger-qemu"}}));
    case Get::Version:
        return reply(ok({{"firecracker_version", api_version}}));
    case Get::VmConfig:
        return reply(ok(as_json(config_)));
    case Get::MachineConfig:
        return reply(ok(as_json(config_.machine)));
    case Get::Balloon:
        return reply(ok(as_json(require_balloon())));
    case Get::BalloonStatistics:
        return answer_balloon_statistics(reply);
    case Get::Mmds:
        return answer_mmds(reply);
    }
}

void Machine::on(const BootSource& source, const Reply& reply) {
    require_not_started();
    check_opens(source.kernel_image_path, O_RDONLY, "Boot source error: The kernel file cannot be opened: ");
    if (source.initrd_path)
        check_opens(*source.initrd_path, O_RDONLY,
                    "Boot source error: The initrd file cannot be opened due to invalid path or invalid "
                    "permissions. ");
    if (source.boot_args && source.boot_args->size() >= longest_command_line)
        refuse("Boot source error: The kernel command line is invalid: it is longer than 2047 bytes.");
    if (source.boot_args && std::any_of(source.boot_args->begin(), source.boot_args->end(),
                                        [](unsigned char c) { return c < 0x20 || c >= 0x7f; }))
        refuse("Boot source error: The kernel command line is invalid: it holds a character that is no "
               "printable ASCII.");
    config_.boot_source = source;
    reply({});
}

void Machine::on(const MachineChange& change, const Reply& reply) {
    require_not_started();
    const auto config = updated(config_.machine, change.update);
    check(config);
    if (config_.balloon && config.mem_size_mib < config_.balloon->amount_mib)
        refuse("Machine config error: The memory size (MiB) is smaller than the previously set balloon "
               "device target size.");
    config_.machine = config;
    reply({});
}

void Machine::on(const Drive& drive, const Reply& reply) {
    require_not_started();
    auto& drives = config_.drives;
    const auto same = std::find_if(drives.begin(), drives.end(),
                                   [&](const Drive& other) { return other.drive_id == drive.drive_id; });
    const bool has_root = !drives.empty() && drives.front().is_root_device;
    if (drive.is_root_device && has_root && same != drives.begin())
        refuse("Drive config error: A root block device already exists!");
    const std::string prefix = "Drive config error: Unable to create the virtio block device: ";
    if (drive.socket || !drive.path_on_host)
        refuse(prefix + "Invalid block config.");
    check_drive_limits(drive);
    check_opens(*drive.path_on_host, drive.is_read_only.value_or(false) ? O_RDONLY : O_RDWR,
                prefix + "Virtio backend error: Error manipulating the backing file: ");
    if (same != drives.end()) {
        *same = drive;
        if (drive.is_root_device)
            std::iter_swap(drives.begin(), same);
    } else {
        drives.insert(drive.is_root_device ? drives.begin() : drives.end(), drive);
    }
    reply({});
}

void Machine::on(const NetworkInterface& interface, const Reply& reply) {
    require_not_started();
    auto& interfaces = config_.interfaces;
    const auto same = [&](const NetworkInterface& other) { return other.iface_id == interface.iface_id; };
    for (const auto& other : interfaces)
        if (!same(other) && interface.guest_mac && other.guest_mac == interface.guest_mac)
            refuse("Network config error: The MAC address is already in use: " + *interface.guest_mac);
    if (interface.mtu && *interface.mtu < 68)
        refuse("Network config error: Could not create the network device: MTU " +
               std::to_string(*interface.mtu) + " is out of range [68, 65535]");
    check_network_limits(interface.rx_rate_limiter, interface.tx_rate_limiter);
    with_prefix("Network config error: Could not create the network device: Open tap device failed: ",
                [&] { guest_.prepare_tap(interface); });
    std::erase_if(interfaces, same);
    interfaces.push_back(interface);
    reply({});
}

void Machine::on(const Vsock& vsock, const Reply& reply) {
    require_not_started();
    if (vsock.guest_cid < 3)
        refuse("Vsock config error: Cannot create vsock device: the guest's CID must be at least 3.");
    with_prefix(
        "Vsock config error: Cannot create backend for vsock device: Error binding to the host-side Unix "
        "socket: ",
        [&] { guest_.listen_vsock(vsock); });
    config_.vsock = vsock;
    reply({});
}

void Machine::on(const Entropy& entropy, const Reply& reply) {
    require_not_started();
    check_entropy_limits(entropy);
    config_.entropy = entropy;
    reply({});
}

void Machine::on(const Balloon& balloon, const Reply& reply) {
    require_not_started();
    if (balloon.amount_mib > config_.machine.mem_size_mib)
        refuse("Balloon config error: Amount of pages requested is too large.");
    if (balloon.free_page_hinting)
        refuse("Balloon config error: banger-qemu has no free page hinting.");
    config_.balloon = balloon;
    reply({});
}

void Machine::on(const Serial& serial, const Reply& reply) {
    require_not_started();
    if (serial.rate_limiter)
        refuse("The requested operation is not supported: banger-qemu has no rate limiter on its serial "
               "console.");
    config_.serial = serial;
    reply({});
}

void Machine::on(const Logger& logger, const Reply& reply) {
    require_not_started();
    with_prefix("Logger error: Failed to open target file: ", [&] { records_.configure(logger); });
    config_.logger = logger;
    reply({});
}

void Machine::on(const Metrics& metrics, const Reply& reply) {
    require_not_started();
    with_prefix("Metrics error: Cannot initialize the metrics system due to bad user input: ",
                [&] { records_.configure(metrics); });
    config_.metrics = metrics;
    reply({});
}

void Machine::on(const MmdsConfig&, const Reply&) {
    require_not_started();
    refuse("The requested operation is not supported: banger-qemu cannot show MMDS to its guest.");
}

void Machine::on(const Unsupported& unsupported, const Reply&) {
    refuse(unsupported.message);
}

} // namespace banger::qemu
