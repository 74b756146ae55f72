// A guest in QEMU's microvm machine: a child process that ends with this one.
#pragma once

#include "base/process.hpp"
#include "qemu/command_line.hpp"
#include "qemu/guest.hpp"
#include "qemu/host.hpp"
#include "qemu/qmp.hpp"
#include "qemu/serial_vsock.hpp"
#include "qemu/tap.hpp"

#include <memory>
#include <string>
#include <vector>

namespace banger::qemu {

/// Sessions that can stand at the same time. Ports slow the boot of a TCG guest down: 9 of them took 15 %
/// longer than one, 30 took 57 % longer (docs/banger-qemu.md).
inline constexpr size_t default_session_ports = 8;

class QemuGuest : public Guest {
public:
    struct Settings {
        std::string id;
        std::optional<Accelerator> accelerator; ///< empty: KVM where it is usable, else TCG
        size_t session_ports = default_session_ports;
        bool sandbox = true;
    };

    QemuGuest(Settings settings, TapTable taps, OnEnd on_end);
    /// Kills QEMU.
    ~QemuGuest() override;

    void prepare_tap(const NetworkInterface& interface) override { taps_.ensure(interface.host_dev_name); }
    void start(const VmConfig& config, Done done) override;
    void pause(Done done) override;
    void resume(Done done) override;
    void send_ctrl_alt_del(Done done) override;
    void set_balloon(uint64_t memory_mib, uint64_t balloon_mib, Done done) override;
    void set_balloon_interval(unsigned seconds, Done done) override;
    void balloon_statistics(uint64_t memory_mib, DoneWith done) override;
    void set_drive_limits(const std::string& drive_id, const RateLimiter& limiter, Done done) override;

private:
    struct Command {
        const char* name;
        Json arguments;
    };
    struct Ends; ///< the descriptors that QEMU gets

    Accelerator choose_accelerator() const;
    Plumbing plumb(const VmConfig& config, const Ends& ends) const;
    void spawn_qemu(const VmConfig& config, Ends ends);
    void settle(const VmConfig& config);
    void started(const std::optional<Error>& error);
    void command(const char* name, Json arguments, Done done);
    void run_all(std::vector<Command> commands, Done done);
    bool read_errors();
    void kill_qemu();
    void ended();

    Settings settings_;
    TapTable taps_;
    OnEnd on_end_;
    TscClock tsc_clock_;
    Child qemu_;
    Done on_started_;    ///< empty when nobody waits for the start
    std::string errors_; ///< the end of QEMU's standard error
    OwnedFd errors_fd_;
    FdWatch errors_watch_;
    FdWatch end_watch_;
    std::unique_ptr<Qmp> qmp_;
    std::unique_ptr<SerialVsock> vsock_;
};

} // namespace banger::qemu
