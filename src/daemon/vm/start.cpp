#include "daemon/vm/start.hpp"

#include "agent/client.hpp"
#include "base/accelerator.hpp"
#include "base/companion.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/op_id.hpp"
#include "base/undo.hpp"
#include "daemon/host.hpp"
#include "daemon/image/work_disk.hpp"
#include "daemon/vm/console.hpp"
#include "daemon/vm/ready.hpp"
#include "vmm/client.hpp"
#include "vmm/socket_wait.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <future>

namespace banger::daemon {

namespace {

constexpr std::chrono::seconds launch_limit{20};

/// Debian's kernel with banger's initramfs says nothing at all below about 64 MiB, and little above.
constexpr uint32_t small_memory_mib = 128;

std::string late_hint(uint32_t memory_mib) {
    if (memory_mib >= small_memory_mib)
        return "--ready-timeout gives it more time";
    return "a guest with " + std::to_string(memory_mib) +
           " MiB of memory may be too small to come up: " + "give it --memory " +
           std::to_string(small_memory_mib) + "M or more";
}

class Start {
public:
    Start(const StartPlan& plan, HelperClient& helper, Steps& steps)
        : plan_(plan)
        , helper_(helper)
        , steps_(steps)
        , undo_([](const std::string& step, const std::exception& why) {
            log::warning("cannot undo " + step + ": " +
                         why.what()); // the cleanup that follows a failed start tries again
        }) {}

    RunningVmm run() {
        if (plan_.clean_first)
            steps_.run("cleanup", [&] { helper_.cleanup(plan_.vm.id); });
        auto disk = make_disk();
        const auto tap = steps_.run("network", [&] { return network(); });
        disk.get();
        steps_.run("launch", [&] { launch(); });
        vmm::VmmClient client(vmm_.api_socket, {.stop = steps_.stop()});
        steps_.run("configure", [&] { configure(client, tap); });
        with_console([&] { boot(client); });
        undo_.release();
        vmm_.tap = tap;
        return std::move(vmm_);
    }

private:
    std::future<void> make_disk();
    void grow_on();
    void write_disk() const;
    std::string network();
    std::string make_tap();
    void launch();
    std::string vmm() const;
    LaunchRequest launch_request(const std::string& vmm) const;
    void configure(vmm::VmmClient& client, const std::string& tap);
    void boot(vmm::VmmClient& client);
    template <class Body>
    void with_console(Body&& body);

    const StartPlan& plan_;
    HelperClient& helper_;
    Steps& steps_;
    RunningVmm vmm_;
    UndoStack undo_; ///< runs first of all when this goes
};

/// The work disk, beside the helper's calls: neither waits for the other. Made once, kept until the VM is
/// deleted.
std::future<void> Start::make_disk() {
    make_directories(plan_.paths.folder);
    if (plan_.rootfs.empty() || ::access(plan_.paths.work_disk().c_str(), F_OK) == 0) {
        grow_on();
        return std::async(std::launch::deferred, [] {});
    }
    undo_.push("disk", [this] { ::unlink(plan_.paths.work_disk().c_str()); });
    return std::async(std::launch::async, [this, op_id = current_op_id()] {
        const OpScope scope(op_id);
        steps_.run("disk", [&] { write_disk(); });
    });
}

/// A disk that is larger than what is written down was about to grow when the daemon or the host ended: now
/// its filesystem does.
void Start::grow_on() {
    std::error_code none;
    const auto disk = plan_.paths.work_disk();
    const auto size = std::filesystem::file_size(disk, none);
    if (plan_.rootfs.empty() || none || size <= plan_.vm.disk_bytes)
        return;
    log::info("the disk of VM " + plan_.vm.name.str() + " has not grown to its end: this is done now");
    steps_.run("disk", [&] { grow_work_disk(disk, size, steps_.stop()); });
    vmm_.disk_bytes = size;
}

/// Under another name first: a disk with the right name is a whole one.
void Start::write_disk() const {
    require_space(plan_.paths.folder, plan_.vm.disk_bytes);
    const auto half = plan_.paths.work_disk() + ".new";
    ::unlink(half.c_str());
    make_work_disk(half, plan_.vm.disk_bytes);
    if (::rename(half.c_str(), plan_.paths.work_disk().c_str()) < 0)
        throw_errno("rename " + half);
}

std::string Start::network() {
    // Before the call: one that is given up halfway may yet happen. What is set for the guest goes with the
    // tap.
    undo_.push("network", [this] {
        helper_.ignore_stop();
        helper_.delete_tap(plan_.vm.id);
    });
    auto tap = make_tap();
    helper_.set_nat(plan_.vm.id, plan_.vm.address, plan_.vm.nat);
    return tap;
}

/// The bridge is made once in the daemon's life, and again when it turns out to be gone.
std::string Start::make_tap() {
    if (plan_.bridge_is_up) {
        try {
            return helper_.create_tap(plan_.vm.id, plan_.bridge);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::NotFound && error.code() != ErrorCode::FailedPrecondition)
                throw;
        }
    }
    helper_.ensure_bridge(plan_.bridge, plan_.boot.bridge);
    return helper_.create_tap(plan_.vm.id, plan_.bridge);
}

/// What is to run it. A choice is made anew at each start: the host may have another VMM by now.
std::string Start::vmm() const {
    if (plan_.vm.vmm != "auto")
        return plan_.vm.vmm;
    const auto choice = choose_vmm(helper_.vmms(), accelerator());
    log::info("VM " + plan_.vm.name.str() + " runs with " + choice.vmm + ": " + choice.why);
    return choice.vmm;
}

LaunchRequest Start::launch_request(const std::string& vmm) const {
    LaunchRequest request{.vmm = vmm,
                          .null_mode = plan_.vm.null_mode,
                          .kernel = {},
                          .initrd = {},
                          .console = begin_console(plan_.paths),
                          .drives = {},
                          .tap = true,
                          .vcpus = plan_.vm.vcpus,
                          .memory_mib = plan_.vm.memory_mib};
    if (plan_.kernel) {
        auto kernel = *plan_.kernel;
        refresh_initrd(kernel, companion_path("banger-agent")); // banger may be newer than the import
        request.kernel = open_file(kernel.path, O_RDONLY);
        if (vmm == "firecracker")
            require_elf_kernel(request.kernel.get(), plan_.vm.kernel);
        request.initrd = open_file(kernel.initrd, O_RDONLY);
    }
    if (!plan_.rootfs.empty()) {
        request.drives.push_back({"rootfs", true, open_file(plan_.rootfs, O_RDONLY)});
        request.drives.push_back({"work", false, open_file(plan_.paths.work_disk(), O_RDWR)});
    }
    return request;
}

void Start::launch() {
    const auto request = launch_request(vmm());
    undo_.push("launch", [this] {
        helper_.ignore_stop();
        helper_.cleanup(plan_.vm.id);
    });
    const auto launched = helper_.launch(plan_.vm.id, request);
    vmm_.pid = launched.pid;
    vmm_.pidfd = open_pidfd(launched.pid);
    vmm_.api_socket = launched.api_socket;
    vmm_.vsock_socket = launched.vsock_socket;
    vmm_.vmm = request.vmm;
    vmm::wait_for_socket(vmm_.api_socket, Clock::now() + launch_limit, steps_.stop(), vmm_.pidfd.get());
}

void Start::configure(vmm::VmmClient& client, const std::string& tap) {
    // With vmm null there may be no kernel, but the API wants one that opens.
    const bool has_kernel = plan_.kernel.has_value();
    auto boot = plan_.boot;
    boot.vmm = vmm_.vmm;
    client.put_boot_source({.kernel_image_path = has_kernel ? "/kernel" : "/dev/null",
                            .initrd_path = has_kernel ? std::optional<std::string>("/initrd") : std::nullopt,
                            .boot_args = command_line(plan_.vm, boot)});
    client.put_machine_config({.vcpu_count = plan_.vm.vcpus, .mem_size_mib = plan_.vm.memory_mib});
    if (!plan_.rootfs.empty()) {
        client.put_drive({.drive_id = "rootfs",
                          .path_on_host = "/drives/rootfs",
                          .is_root_device = true,
                          .is_read_only = true,
                          .rate_limiter = {}});
        client.put_drive({.drive_id = "work", .path_on_host = "/drives/work", .rate_limiter = {}});
    }
    client.put_network_interface({.iface_id = "eth0",
                                  .host_dev_name = tap,
                                  .guest_mac = guest_mac(plan_.vm.address),
                                  .mtu = {},
                                  .rx_rate_limiter = {},
                                  .tx_rate_limiter = {}});
    client.put_vsock({.guest_cid = plan_.vm.guest_cid(), .uds_path = "/run/vsock.sock"});
    client.put_entropy();
}

void Start::boot(vmm::VmmClient& client) {
    // The guest may be ready before InstanceStart has answered.
    const ReadyListener listener(vmm_.vsock_socket);
    steps_.run("boot", [&] { client.start_instance(); });
    steps_.run("ready", [&] {
        listener.wait(vmm_.pidfd.get(), steps_.stop(), plan_.ready_timeout, late_hint(plan_.vm.memory_mib));
    });
}

template <class Body>
void Start::with_console(Body&& body) {
    try {
        body();
    } catch (Error& error) {
        if (error.code() != ErrorCode::Cancelled)
            error.with_details(console_tail(plan_.paths.console()));
        throw;
    }
}

} // namespace

RunningVmm start_vm(const StartPlan& plan, HelperClient& helper, Steps& steps) {
    return Start(plan, helper, steps).run();
}

} // namespace banger::daemon
