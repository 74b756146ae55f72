#include "qemu/qemu_guest.hpp"

#include "qemu/devices.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

namespace banger::qemu {

namespace {

constexpr size_t kept_errors = 4096;
constexpr const char* balloon_object = "/machine/peripheral/balloon";

/// Names in QEMU's guest-stats and in Firecracker's BalloonStats.
constexpr std::array<std::pair<const char*, const char*>, 10> statistics{{
    {"stat-swap-in", "swap_in"},
    {"stat-swap-out", "swap_out"},
    {"stat-major-faults", "major_faults"},
    {"stat-minor-faults", "minor_faults"},
    {"stat-free-memory", "free_memory"},
    {"stat-total-memory", "total_memory"},
    {"stat-available-memory", "available_memory"},
    {"stat-disk-caches", "disk_caches"},
    {"stat-htlb-pgalloc", "hugetlb_allocations"},
    {"stat-htlb-pgfail", "hugetlb_failures"},
}};

Json throttle_arguments(const std::string& drive_id, const RateLimiter& limiter) {
    const auto bytes = to_throttle(limiter.bandwidth);
    const auto operations = to_throttle(limiter.ops);
    return {{"id", "blk-" + drive_id},     {"bps", bytes.rate},       {"bps_rd", 0},  {"bps_wr", 0},
            {"bps_max", bytes.burst},      {"iops", operations.rate}, {"iops_rd", 0}, {"iops_wr", 0},
            {"iops_max", operations.burst}};
}

uint64_t left_of(uint64_t memory_mib, uint64_t balloon_mib) {
    return (memory_mib - balloon_mib) << 20;
}

void trim(std::string& text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
        text.pop_back();
}

} // namespace

/// Ours and QEMU's end of each connection. QEMU's are closed here once it has them.
struct QemuGuest::Ends {
    std::pair<OwnedFd, OwnedFd> qmp = make_socketpair();
    std::optional<std::pair<OwnedFd, OwnedFd>> host_port;
    std::vector<OwnedFd> ports;
    std::vector<OwnedFd> qemu_ports;
    std::pair<OwnedFd, OwnedFd> errors = make_pipe();
    OwnedFd console; ///< a file of its own for the console; empty: standard output

    Ends(const VmConfig& config, size_t session_ports) {
        if (config.serial.serial_out_path)
            console =
                open_file(*config.serial.serial_out_path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0600);
        if (!config.vsock)
            return;
        host_port = make_socketpair();
        for (size_t i = 0; i < session_ports; ++i) {
            auto [ours, theirs] = make_socketpair();
            ports.push_back(std::move(ours));
            qemu_ports.push_back(std::move(theirs));
        }
    }
};

QemuGuest::QemuGuest(Settings settings, TapTable taps, OnEnd on_end)
    : settings_(std::move(settings))
    , taps_(std::move(taps))
    , on_end_(std::move(on_end)) {}

QemuGuest::~QemuGuest() {
    kill_qemu();
}

void QemuGuest::kill_qemu() {
    end_watch_.cancel();
    if (qemu_.pid < 0)
        return;
    ::kill(qemu_.pid, SIGKILL); // not reaped yet, so the number is still its own
    wait_child(qemu_);
    qemu_ = {};
}

Accelerator QemuGuest::choose_accelerator() const {
    if (settings_.accelerator)
        return *settings_.accelerator;
    return kvm_usable() ? Accelerator::Kvm : Accelerator::Tcg;
}

Plumbing QemuGuest::plumb(const VmConfig& config, const Ends& ends) const {
    Plumbing plumbing;
    plumbing.id = settings_.id;
    plumbing.accelerator = choose_accelerator();
    plumbing.sandbox = settings_.sandbox;
    if (plumbing.accelerator == Accelerator::Tcg)
        plumbing.tsc_khz = tsc_clock_.khz();
    plumbing.qmp_fd = ends.qmp.second.get();
    if (ends.host_port)
        plumbing.host_port_fd = ends.host_port->second.get();
    for (const auto& fd : ends.qemu_ports)
        plumbing.session_port_fds.push_back(fd.get());
    for (const auto& interface : config.interfaces) {
        plumbing.tap_fds[interface.host_dev_name] = taps_.fd(interface.host_dev_name);
        if (!interface.guest_mac)
            plumbing.macs[interface.iface_id] = random_mac();
    }
    return plumbing;
}

void QemuGuest::start(const VmConfig& config, Done done) {
    check_kernel(config.boot_source->kernel_image_path);
    Ends ends(config, settings_.session_ports);
    qmp_.reset();
    vsock_.reset();
    errors_.clear();
    auto qmp_end = std::move(ends.qmp.first);
    auto host_port = ends.host_port ? std::move(ends.host_port->first) : OwnedFd();
    auto ports = std::move(ends.ports);
    spawn_qemu(config, std::move(ends));
    on_started_ = std::move(done);
    if (host_port && listener_) {
        for (const auto& port : ports)
            ::fcntl(port.get(), F_SETFL, O_NONBLOCK);
        ::fcntl(host_port.get(), F_SETFL, O_NONBLOCK);
        vsock_ = std::make_unique<SerialVsock>(*listener_, std::move(host_port), std::move(ports));
    }
    qmp_ = std::make_unique<Qmp>(std::move(qmp_end), [this, config] { settle(config); });
}

void QemuGuest::spawn_qemu(const VmConfig& config, Ends ends) {
    const auto plumbing = plumb(config, ends);
    ProcessSpec spec;
    spec.program = find_program("qemu-system-x86_64", "qemu-system-x86");
    spec.arguments = qemu_arguments(config, plumbing);
    spec.stdout_fd = ends.console ? ends.console.get() : STDOUT_FILENO;
    spec.stderr_fd = ends.errors.second.get();
    spec.inherited = plumbing.session_port_fds;
    spec.inherited.push_back(plumbing.qmp_fd);
    if (plumbing.host_port_fd >= 0)
        spec.inherited.push_back(plumbing.host_port_fd);
    for (const auto& [name, fd] : plumbing.tap_fds)
        spec.inherited.push_back(fd);
    spec.parent_death_signal = SIGKILL;
    qemu_ = spawn(spec);
    errors_fd_ = std::move(ends.errors.first);
    ::fcntl(errors_fd_.get(), F_SETFL, O_NONBLOCK);
    errors_watch_ = FdWatch(errors_fd_.get(), [this] { return read_errors(); });
    end_watch_ = FdWatch(qemu_.pidfd.get(), [this] {
        ended();
        return false;
    });
}

/// QEMU's loop runs, and so does the guest: what could not be said on the command line is said now.
void QemuGuest::settle(const VmConfig& config) {
    std::vector<Command> commands;
    for (const auto& drive : config.drives)
        if (drive.rate_limiter && drive.rate_limiter->limits())
            commands.push_back(
                {"block_set_io_throttle", throttle_arguments(drive.drive_id, *drive.rate_limiter)});
    if (config.balloon && config.balloon->amount_mib)
        commands.push_back(
            {"balloon", {{"value", left_of(config.machine.mem_size_mib, config.balloon->amount_mib)}}});
    if (config.balloon && config.balloon->stats_polling_interval_s)
        commands.push_back({"qom-set",
                            {{"path", balloon_object},
                             {"property", "guest-stats-polling-interval"},
                             {"value", config.balloon->stats_polling_interval_s}}});
    run_all(std::move(commands), [this](const std::optional<Error>& error) { started(error); });
}

void QemuGuest::started(const std::optional<Error>& error) {
    // While QEMU is ending, its own last words say more than that the connection is lost: ended() tells them.
    if (error && error->code() == ErrorCode::Unavailable)
        return;
    if (error)
        kill_qemu();
    if (const auto done = std::exchange(on_started_, {}))
        done(error);
}

void QemuGuest::run_all(std::vector<Command> commands, Done done) {
    if (commands.empty())
        return done(std::nullopt);
    auto first = std::move(commands.front());
    commands.erase(commands.begin());
    command(
        first.name, std::move(first.arguments),
        [this, commands = std::move(commands), done = std::move(done)](const std::optional<Error>& error) {
            if (error)
                done(error);
            else
                run_all(commands, done);
        });
}

void QemuGuest::command(const char* name, Json arguments, Done done) {
    qmp_->execute(name, std::move(arguments), [done = std::move(done)](const Outcome<Json>& outcome) {
        const auto* error = std::get_if<Error>(&outcome);
        done(error ? std::optional(*error) : std::nullopt);
    });
}

void QemuGuest::pause(Done done) {
    command("stop", Json::object(), std::move(done));
}

void QemuGuest::resume(Done done) {
    command("cont", Json::object(), std::move(done));
}

void QemuGuest::send_ctrl_alt_del(Done done) {
    Json keys = Json::array();
    for (const char* key : {"ctrl", "alt", "delete"})
        keys.push_back({{"type", "qcode"}, {"data", key}});
    command("send-key", {{"keys", keys}}, std::move(done));
}

void QemuGuest::set_balloon(uint64_t memory_mib, uint64_t balloon_mib, Done done) {
    command("balloon", {{"value", left_of(memory_mib, balloon_mib)}}, std::move(done));
}

void QemuGuest::set_balloon_interval(unsigned seconds, Done done) {
    command("qom-set",
            {{"path", balloon_object}, {"property", "guest-stats-polling-interval"}, {"value", seconds}},
            std::move(done));
}

void QemuGuest::balloon_statistics(uint64_t memory_mib, DoneWith done) {
    qmp_->execute("query-balloon", Json::object(), [this, memory_mib, done](const Outcome<Json>& outcome) {
        const auto* balloon = std::get_if<Json>(&outcome);
        if (!balloon)
            return done(outcome);
        const auto actual_mib =
            memory_mib - std::min(balloon->value("actual", uint64_t{0}) >> 20, memory_mib);
        qmp_->execute("qom-get", {{"path", balloon_object}, {"property", "guest-stats"}},
                      [actual_mib, done](const Outcome<Json>& outcome) {
                          const auto* guest = std::get_if<Json>(&outcome);
                          if (!guest)
                              return done(outcome);
                          Json result{{"actual_mib", actual_mib}, {"actual_pages", actual_mib * 256}};
                          const auto known = guest->value("stats", Json::object());
                          for (const auto& [theirs, ours] : statistics)
                              if (const auto value = known.value(theirs, UINT64_MAX); value != UINT64_MAX)
                                  result[ours] = value;
                          done(result);
                      });
    });
}

void QemuGuest::set_drive_limits(const std::string& drive_id, const RateLimiter& limiter, Done done) {
    command("block_set_io_throttle", throttle_arguments(drive_id, limiter), std::move(done));
}

/// QEMU's complaints go to our standard error, and the last of them is kept.
bool QemuGuest::read_errors() {
    std::array<char, 4096> buffer;
    const auto n = ::read(errors_fd_.get(), buffer.data(), buffer.size());
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    errors_.append(buffer.data(), static_cast<size_t>(n));
    if (errors_.size() > kept_errors)
        errors_.erase(0, errors_.size() - kept_errors);
    // A standard error that takes nothing is no reason to stop a guest.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, buffer.data(), static_cast<size_t>(n));
    return true;
}

void QemuGuest::ended() {
    const auto status = wait_child(qemu_).value_or(1);
    qemu_ = {};
    while (read_errors() && wait_readable(errors_fd_.get(), 0)) {
        // what it said last
    }
    errors_watch_.cancel();
    auto reason = "QEMU ended with status " + std::to_string(status);
    trim(errors_);
    if (!errors_.empty())
        reason += ": " + errors_;
    const auto done = std::exchange(on_started_, {});
    qmp_->close(Error(ErrorCode::Unavailable, "QEMU has ended"));
    vsock_.reset();
    if (done)
        done(Error(ErrorCode::Internal, reason)); // never ran: the machine is still to be started
    else
        on_end_(status == 0 ? 0 : 1, status == 0 ? "" : reason);
}

} // namespace banger::qemu
