// VMMs as transient units of systemd's: each has a control group of its own, by which it is found, limited
// and ended, and needs nothing of the helper's own rights.
#include "base/companion.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/op_id.hpp"
#include "helper/jail_launch.hpp"
#include "helper/jailer_start.hpp"
#include "helper/machined.hpp"
#include "helper/process_id.hpp"
#include "helper/unit_spec.hpp"
#include "helper/vm_unit.hpp"
#include "install/programs.hpp"
#include "jail/talk.hpp"

#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <utility>

namespace banger::helper {

namespace {

constexpr const char* service = "org.freedesktop.systemd1";
constexpr const char* manager_path = "/org/freedesktop/systemd1";
constexpr const char* manager_interface = "org.freedesktop.systemd1.Manager";
constexpr const char* unit_exists = "org.freedesktop.systemd1.UnitExists";
/// A machine that has just booted, or is emulated, takes its time.
constexpr std::chrono::seconds patience{20};
constexpr std::chrono::milliseconds look_again{10};

std::string trusted_jail_program() {
    auto path = companion_path("banger-jail");
    if (const auto trouble = install::distrust(install::Tree(), path); !trouble.empty())
        throw Error(ErrorCode::FailedPrecondition, "what starts VMs must be root's alone: " + trouble,
                    "install banger again");
    return path;
}

/// The descriptors of a jail under the numbers that banger-jail will place them at; those that they have
/// here, in that order.
std::vector<int> number_descriptors(JailSpec& spec) {
    std::vector<int> here{spec.output_fd};
    const auto number = [&here](int& fd) {
        if (fd < 0)
            return;
        here.push_back(fd);
        fd = jail::first_number + static_cast<int>(here.size()) - 2;
    };
    for (int* fd : {&spec.program_fd, &spec.run_fd, &spec.kernel_fd, &spec.initrd_fd, &spec.tap_fd,
                    &spec.info_fd, &spec.block_fd})
        number(*fd);
    for (auto& drive : spec.drives)
        number(drive.fd);
    return here;
}

std::string comm_of(int pid) {
    auto name = read_file("/proc/" + std::to_string(pid) + "/comm", 64);
    name.resize(std::min(name.find('\n'), name.size()));
    return name;
}

class UnitLaunch : public JailLaunch {
public:
    UnitLaunch(sdbus::IProxy& manager, Machined& machined, JailSpec spec)
        : JailLaunch(patience)
        , manager_(manager)
        , machined_(machined)
        , unit_(unit_name(spec.uid, VmId::parse(spec.vm)))
        , properties_(unit_properties({trusted_jail_program(), spec.owner, spec.uid, spec.gid, spec.vm,
                                       spec.vcpus, spec.memory_mib, spec.jailer_fd >= 0}))
        , jailer_(spec.jailer_fd >= 0) {
        const auto ends = make_talk(spec);
        std::tie(socket_, other_end_) = jail::make_pair();
        // The plan waits in the socket, and the descriptors with it.
        if (jailer_) {
            const auto start = jailer_start(spec);
            jail::send_plan(socket_.get(), start.plan, start.descriptors);
        } else {
            send_bubblewrap(spec);
        }
        spec_ = spec;
    }
    ~UnitLaunch() override { drop(); }

    std::string unit() const override { return unit_; }

protected:
    void begin() override {
        socket_watch_ = FdWatch(socket_.get(), [this] { return guarded([this] { return read_socket(); }); });
        ask_systemd();
    }
    void release() override { jail::let_go(socket_.get()); }
    bool is_ours(int pid) const override { return unit_of(pid) == unit_; }
    /// /proc/PID/exe is not the helper's to look at (ptrace(2), "Ptrace access mode checking"); the name is
    /// there for everybody.
    bool executes(int pid) const override {
        const auto name = comm_of(pid);
        if (jailer_) // the jailer has no name of its own, being executed by descriptor
            return name == "firecracker" && uid_of(pid) == static_cast<long>(uid_);
        return name != "bwrap" && name != "banger-jail";
    }
    void started(int pid) noexcept override { machined_.announce(spec_, pid); }
    void abandon() noexcept override {
        try {
            // What waits for a word ends by itself; whatever else there is, goes by force.
            socket_watch_.cancel();
            socket_.reset();
            other_end_.reset();
            kill_unit_once(unit_);
        } catch (const std::exception& error) {
            log::error("unit " + unit_ + ", which failed to start: " + error.what());
        }
    }

private:
    void send_bubblewrap(JailSpec spec) const {
        if (::access(bubblewrap, X_OK) < 0)
            throw Error(ErrorCode::Unavailable, std::string(bubblewrap) + " is not there",
                        "install bubblewrap");
        const auto descriptors = number_descriptors(spec);
        const auto command = jail_command(spec);
        jail::Plan plan{{command.program}};
        plan.words.insert(plan.words.end(), command.arguments.begin(), command.arguments.end());
        jail::send_plan(socket_.get(), plan, descriptors);
    }

    void ask_systemd() {
        auto properties = properties_;
        properties.emplace_back("StandardInputFileDescriptor",
                                sdbus::Variant{sdbus::UnixFd(other_end_.get())});
        using Auxiliary = sdbus::Struct<std::string, UnitProperties>;
        manager_.callMethodAsync("StartTransientUnit")
            .onInterface(manager_interface)
            .withTimeout(patience)
            .withArguments(unit_, std::string("fail"), properties, std::vector<Auxiliary>{})
            .uponReplyInvoke([this, alive = std::weak_ptr<int>(life_),
                              op = current_op_id()](bus::ReplyError error, const sdbus::ObjectPath&) {
                const OpScope scope(op);
                if (!alive.expired())
                    answered(error ? &*error : nullptr);
            });
    }

    void answered(const sdbus::Error* error) {
        if (!error) {
            other_end_.reset(); // systemd has its own: when that is closed, the unit is gone
            return;
        }
        if (text_of_name(*error) != unit_exists) {
            finish(Error(ErrorCode::Unavailable,
                         "systemd does not start " + unit_ + ": " + error->getMessage(),
                         "`journalctl -u init.scope` may tell why"));
            return;
        }
        // The VM's unit of before, which systemd is about to forget.
        again_ = Timer(look_again, [this] {
            guarded([this] {
                ask_systemd();
                return true;
            });
            return false;
        });
    }

    static std::string text_of_name(const sdbus::Error& error) { return bus::text_of(error.getName()); }

    /// banger-jail says that it is there; or the unit has ended before.
    bool read_socket() {
        const auto who = jail::receive_ready(socket_.get());
        if (!who) {
            fail("`journalctl -u " + unit_ + "` tells why");
            return false;
        }
        const auto id = identify(who->pid);
        auto pidfd = open_if_alive_in(unit_, id);
        const auto its_uid = jailer_ ? 0 : uid_;
        if (!pidfd || who->uid != its_uid || uid_of(who->pid) != static_cast<long>(its_uid))
            throw Error(ErrorCode::Internal, "somebody else speaks for unit " + unit_);
        if (jailer_)
            becomes(id, std::move(pidfd));
        else
            guarded_by(id, std::move(pidfd));
        return false;
    }

    sdbus::IProxy& manager_;
    Machined& machined_;
    JailSpec spec_; ///< its descriptors are not this start's any more
    std::string unit_;
    UnitProperties properties_;
    bool jailer_; ///< Firecracker's makes the jail, and not bubblewrap
    OwnedFd socket_, other_end_;
    FdWatch socket_watch_;
    Timer again_;
    std::shared_ptr<int> life_ = std::make_shared<int>(0);
};

class UnitLauncher : public Launcher {
public:
    explicit UnitLauncher(sdbus::IConnection& connection)
        : manager_(sdbus::createProxy(connection, bus::ServiceName(service), bus::ObjectPath(manager_path)))
        , machined_(connection) {}

    bool starts_jailers() const noexcept override { return true; }
    std::unique_ptr<LaunchInProgress> prepare(const JailSpec& spec) override {
        return std::make_unique<UnitLaunch>(*manager_, machined_, spec);
    }
    Sweep sweep() const override {
        return [](const VmRecord& record) { kill_unit(unit_name(record.uid, record.vm)); };
    }

private:
    std::unique_ptr<sdbus::IProxy> manager_;
    Machined machined_;
};

} // namespace

std::unique_ptr<Launcher> make_unit_launcher(sdbus::IConnection& connection) {
    return std::make_unique<UnitLauncher>(connection);
}

std::unique_ptr<Launcher> make_launcher(sdbus::IConnection& connection) {
    return ::sd_booted() > 0 ? make_unit_launcher(connection) : make_child_launcher();
}

} // namespace banger::helper
