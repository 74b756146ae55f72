#include "qemu/command_line.hpp"

#include "agent/link.hpp"
#include "base/error.hpp"
#include "base/op_id.hpp"
#include "qemu/devices.hpp"

#include <sys/stat.h>

namespace banger::qemu {

namespace {

/// What Firecracker says when it is given no boot_args, but for `nomodule` and `8250.nr_uarts=0`:
/// distribution kernels have virtio as modules, and the console is the serial port.
constexpr const char* default_boot_args = "reboot=k panic=1 i8042.noaux i8042.nomux i8042.dumbkbd";

/// All that TCG can emulate, as the CPU of QEMU's model kvm64. With "max" alone the kernel sees an early
/// Athlon 64: it does not take its counter for a clock (unsynchronized_tsc() in arch/x86/kernel/tsc.c), ticks
/// 250 times a second on idle CPUs, and measures each further CPU's speed once more at boot. Idle CPUs halt,
/// as TCG's MWAIT spins. And without "fast strings" the kernel clears and copies memory by words: TCG does
/// `rep movsb` one byte at a time.
constexpr const char* tcg_cpu =
    "max,vendor=GenuineIntel,family=15,model=6,stepping=1,monitor=off,erms=off,fsrm=off";

/// Whether the command line has a word that begins with `start`.
bool has_word(const std::string& line, const std::string& start) {
    return line.starts_with(start) || line.find(" " + start) != line.npos;
}

void add_unless_there(std::string& line, const std::string& key, const std::string& value) {
    if (!has_word(line, key))
        line += " " + key + value;
}

std::string root_words(const Drive& drive) {
    const auto root = drive.partuuid ? "root=PARTUUID=" + *drive.partuuid : std::string("root=/dev/vda");
    return " " + root + (drive.is_read_only.value_or(false) ? " ro" : " rw");
}

/// Collects arguments, and hands out the places on the machine's virtio buses.
class Builder {
public:
    Builder(const VmConfig& config, const Plumbing& plumbing)
        : config_(config)
        , plumbing_(plumbing) {}

    std::vector<std::string> build() {
        add_machine();
        add_console();
        add_boot();
        for (const auto& drive : config_.drives)
            add_drive(drive);
        for (const auto& interface : config_.interfaces)
            add_interface(interface);
        if (plumbing_.host_port_fd >= 0)
            add_serial_ports();
        if (config_.entropy)
            add_entropy(*config_.entropy);
        if (config_.balloon)
            add_balloon(*config_.balloon);
        return std::move(arguments_);
    }

private:
    void add(std::initializer_list<std::string> words) { arguments_.insert(arguments_.end(), words); }

    /// As JSON, which needs no escaping whatever a path holds.
    void add_device(Json device, bool has_place = true) {
        // From the last place down: the guest finds them in that order (QEMU's ACPI tables list them so), and
        // the first drive is to be its first.
        if (has_place)
            device["bus"] = "virtio-mmio-bus." + std::to_string(next_place_--);
        add({"-device", device.dump()});
    }

    void add_machine() {
        const auto& machine = config_.machine;
        const bool kvm = plumbing_.accelerator == Accelerator::Kvm;
        const auto cpus = std::to_string(machine.vcpu_count);
        const unsigned threads = machine.smt && machine.vcpu_count > 1 ? 2 : 1;
        add({"-name", "banger-" + plumbing_.id, "-M", "microvm", "-accel", kvm ? "kvm" : "tcg,thread=multi",
             "-cpu", kvm ? "host" : tcg_cpu, "-smp",
             "cpus=" + cpus + ",sockets=1,cores=" + std::to_string(machine.vcpu_count / threads) +
                 ",threads=" + std::to_string(threads),
             "-m", "size=" + std::to_string(machine.mem_size_mib) + "M"});
        add({"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"});
        if (plumbing_.sandbox)
            add({"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"});
        add({"-chardev", "socket,id=qmp,fd=" + std::to_string(plumbing_.qmp_fd), "-mon",
             "chardev=qmp,mode=control"});
    }

    void add_console() {
        add({"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"});
        // The keyboard controller, of which microvm has none of itself: for ctrl-alt-del.
        add({"-device", "i8042"});
    }

    void add_boot() {
        const auto& boot = *config_.boot_source;
        add({"-kernel", boot.kernel_image_path});
        if (boot.initrd_path)
            add({"-initrd", *boot.initrd_path});
        add({"-append", kernel_command_line(config_, plumbing_)});
    }

    void add_drive(const Drive& drive) {
        const auto& path = *drive.path_on_host;
        struct stat status{};
        const bool is_device = ::stat(path.c_str(), &status) == 0 && S_ISBLK(status.st_mode);
        const bool read_only = drive.is_read_only.value_or(false);
        const Json cache{{"direct", false}, {"no-flush", drive.cache_type == "Unsafe"}};
        const Json file{{"driver", is_device ? "host_device" : "file"},
                        {"filename", path},
                        {"cache", cache},
                        {"read-only", read_only}};
        const auto node = "drive-" + drive.drive_id;
        const Json raw{{"driver", "raw"}, {"node-name", node},  {"file", file},
                       {"cache", cache},  {"discard", "unmap"}, {"read-only", read_only}};
        add({"-blockdev", raw.dump()});
        // QEMU's default is to stop the guest, silently, when the host's disk is full; Firecracker, and a
        // disk that breaks, give the guest an error.
        add_device({{"driver", "virtio-blk-device"},
                    {"id", "blk-" + drive.drive_id},
                    {"drive", node},
                    {"werror", "report"},
                    {"rerror", "report"},
                    {"serial", drive.drive_id.substr(0, 20)}});
    }

    void add_interface(const NetworkInterface& interface) {
        const auto& id = interface.iface_id;
        const auto tap = plumbing_.tap_fds.at(interface.host_dev_name);
        add({"-netdev", "tap,id=net-" + id + ",fd=" + std::to_string(tap)});
        Json device{{"driver", "virtio-net-device"},
                    {"id", "nic-" + id},
                    {"netdev", "net-" + id},
                    {"mac", interface.guest_mac ? *interface.guest_mac : plumbing_.macs.at(id)}};
        if (interface.mtu)
            device["host_mtu"] = *interface.mtu;
        add_device(device);
    }

    /// The port that the guest opens streams on comes first: the agent needs it to say that it is ready.
    void add_serial_ports() {
        const auto count = plumbing_.session_port_fds.size();
        add_device({{"driver", "virtio-serial-device"}, {"id", "ports"}, {"max_ports", count + 2}});
        add_port(1, std::string(link::host_port_name), plumbing_.host_port_fd);
        for (size_t i = 0; i < count; ++i)
            add_port(i + 2, std::string(link::session_port_prefix) + std::to_string(i),
                     plumbing_.session_port_fds[i]);
    }

    /// Numbers begin at 1: port 0 is a console's (virtio specification 5.3).
    void add_port(size_t number, const std::string& name, int fd) {
        const auto id = "port" + std::to_string(number);
        add({"-chardev", "socket,id=" + id + ",fd=" + std::to_string(fd)});
        add_device({{"driver", "virtserialport"},
                    {"bus", "ports.0"},
                    {"nr", number},
                    {"chardev", id},
                    {"name", name}},
                   false);
    }

    void add_entropy(const Entropy& entropy) {
        add({"-object", R"({"qom-type":"rng-random","id":"entropy-source","filename":"/dev/urandom"})"});
        Json device{{"driver", "virtio-rng-device"}, {"id", "entropy"}, {"rng", "entropy-source"}};
        const auto& bucket = entropy.rate_limiter ? entropy.rate_limiter->bandwidth : std::nullopt;
        if (bucket && bucket->size && bucket->refill_time) {
            device["max-bytes"] = bucket->size;
            device["period"] = std::min<uint64_t>(bucket->refill_time, INT32_MAX);
        }
        add_device(device);
    }

    void add_balloon(const Balloon& balloon) {
        add_device({{"driver", "virtio-balloon-device"},
                    {"id", "balloon"},
                    {"deflate-on-oom", balloon.deflate_on_oom},
                    {"free-page-reporting", balloon.free_page_reporting}});
    }

    const VmConfig& config_;
    const Plumbing& plumbing_;
    std::vector<std::string> arguments_;
    size_t next_place_ = virtio_places;
};

} // namespace

std::string kernel_command_line(const VmConfig& config, const Plumbing& plumbing) {
    std::string line = config.boot_source->boot_args.value_or(default_boot_args);
    if (!config.drives.empty() && config.drives.front().is_root_device)
        line += root_words(config.drives.front());
    add_unless_there(line, "console=", "ttyS0");
    // Without this, TSC calibration fails now and then on a busy host, and microvm has no other clock: the
    // kernel hangs.
    // Nor has it one to watch the TSC with, but jiffies, which a busy host loses: TCG's is the host's, for
    // all CPUs alike.
    if (plumbing.accelerator == Accelerator::Tcg && plumbing.tsc_khz) {
        add_unless_there(line, "tsc_early_khz=", std::to_string(plumbing.tsc_khz));
        add_unless_there(line, "tsc=", "reliable");
    }
    if (plumbing.host_port_fd >= 0)
        add_unless_there(line, "banger.transport=", "serial");
    return line;
}

std::vector<std::string> qemu_arguments(const VmConfig& config, const Plumbing& plumbing) {
    return Builder(config, plumbing).build();
}

std::string random_mac() {
    const auto digits = random_hex(5);
    std::string mac = "02";
    for (size_t i = 0; i < digits.size(); i += 2)
        mac += ":" + digits.substr(i, 2);
    return mac;
}

} // namespace banger::qemu
