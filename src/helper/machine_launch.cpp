// Machine's Launch: check the descriptors, jail, tap, start; each step is in the ledger before it is done.
#include "base/file.hpp"
#include "base/log.hpp"
#include "bus/errors.hpp"
#include "helper/machine.hpp"
#include "helper/process_id.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace banger::helper {

namespace {

constexpr off_t output_limit = 16 << 10;

std::string own_folder() {
    std::array<char, 4096> text{};
    const auto n = ::readlink("/proc/self/exe", text.data(), text.size());
    if (n <= 0 || static_cast<size_t>(n) == text.size())
        throw_errno("read /proc/self/exe");
    const std::string path(text.data(), static_cast<size_t>(n));
    return path.substr(0, path.rfind('/'));
}

void check_program(int fd, const std::string& path) {
    struct stat status{};
    if (::fstat(fd, &status) < 0)
        throw_errno("stat " + path);
    if (!S_ISREG(status.st_mode) || status.st_uid != 0 || (status.st_mode & 022) != 0 ||
        (status.st_mode & 0111) == 0)
        throw Error(ErrorCode::FailedPrecondition,
                    path + " must be an executable file that root alone can write", "install banger again");
}

void check_files(const Launch& request, unsigned uid) {
    if (request.kernel)
        check_file(request.kernel.get(), uid, Access::Read, "the kernel");
    if (request.initrd)
        check_file(request.initrd.get(), uid, Access::Read, "the initrd");
    if (request.console)
        check_file(request.console.get(), uid, Access::Write, "the console");
    for (const auto& drive : request.drives)
        check_file(drive.file.get(), uid, drive.read_only ? Access::Read : Access::ReadWrite,
                   "drive " + drive.name.str());
}

/// Where the VMM's words go when the caller gave no console: memory of a fixed size, for the reason of a
/// failed start.
OwnedFd make_output() {
    OwnedFd file(::memfd_create("vmm-output", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file || ::ftruncate(file.get(), output_limit) < 0 ||
        ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
        throw_errno("make memory for the VMM's output");
    return file;
}

std::string kind_name(VmmKind kind) {
    switch (kind) {
    case VmmKind::Qemu:
        return "qemu";
    case VmmKind::Firecracker:
        return "firecracker";
    case VmmKind::Null:
        break;
    }
    return "null";
}

} // namespace

OwnedFd open_vmm_program() {
    const auto folder = own_folder();
    for (const auto& path : {folder + "/banger-qemu", folder + "/../libexec/banger/banger-qemu"}) {
        OwnedFd program(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
        if (!program)
            continue;
        check_program(program.get(), path);
        return program;
    }
    throw Error(ErrorCode::Unavailable, "banger-qemu is not installed beside banger", "install banger again");
}

FirecrackerPrograms Machine::open_firecracker() {
    if (!launcher_->starts_jailers())
        throw Error(ErrorCode::Unavailable,
                    "Firecracker is launched on hosts with systemd only, whose units hold its jailer",
                    "use the VMM qemu");
    return firecracker_.open();
}

Vmms Machine::vmms() noexcept {
    Vmms found{{{"qemu", BANGER_VERSION}}, {}};
    try {
        found.there["firecracker"] = open_firecracker().version;
    } catch (...) {
        found.troubles["firecracker"] = bus::current_error().message();
    }
    return found;
}

/// What a Launch needs from its begin to its end.
struct Machine::LaunchSteps {
    install::Owner owner;
    Launch request;
    VmRecord record;
    Turn turn;
    Done<Launched> done;
    std::string op_id;
    FirecrackerPrograms programs{};
    std::unique_ptr<LaunchInProgress> progress{};
};

void Machine::perform(const Key& grant, Launch request, const Done<Launched>& done) {
    const VmRecord nothing{grant.owner().uid, request.vm, {}, {}, {}};
    const auto steps = std::make_shared<LaunchSteps>(
        LaunchSteps{grant.owner(), std::move(request), nothing, nullptr, done, grant.op_id()});
    lanes_.enter(vm_lane(nothing.uid, nothing.vm), [this, steps](const Turn& turn) {
        const OpScope scope(steps->op_id);
        steps->turn = turn;
        guarded(steps->done, [&] { find_programs(steps); });
    });
}

/// What Firecracker lacks is told before anything is done. On a thread: it may be asked for its version.
void Machine::find_programs(const std::shared_ptr<LaunchSteps>& steps) {
    if (steps->request.kind != VmmKind::Firecracker)
        return launch(steps);
    workers_.run<Nothing>(
        steps->owner.uid,
        [this, steps] {
            steps->programs = open_firecracker();
            return Nothing{};
        },
        [this, steps](const Outcome<Nothing>& outcome) {
            guarded(steps->done, [&] {
                if (const auto* error = std::get_if<Error>(&outcome))
                    throw Error(*error);
                launch(steps);
            });
        });
}

void Machine::launch(const std::shared_ptr<LaunchSteps>& steps) {
    const auto& request = steps->request;
    const auto uid = steps->owner.uid;
    const auto* known = ledger_.vm(uid, request.vm);
    if (!known && ledger_.count_vms_of(uid) >= vms_per_owner)
        throw Error(ErrorCode::FailedPrecondition,
                    "you have " + std::to_string(vms_per_owner) + " VMs, which is the limit");
    auto record = known ? *known : steps->record;
    if (record.vmm && record.vmm->state != VmmState::Exited)
        throw Error(ErrorCode::FailedPrecondition, "the VM's VMM is running already", "kill it first");
    if (request.tap && (!record.tap || record.tap->step != Step::Made))
        throw Error(ErrorCode::FailedPrecondition, "the VM has no tap", "create the tap first");
    record.vmm.reset();
    record.jail = Step::Making;
    ledger_.put(record);
    steps->record = record;
    // On a thread: a file of a filesystem that somebody serves may not answer. What an earlier life left in
    // the jail goes first.
    workers_.run<Nothing>(
        uid,
        [sweep = launcher_->sweep(), record, files = &steps->request] { // which the other one keeps
            check_files(*files, record.uid);
            sweep(record);
            remove_jail_folder(jail_name(record.uid, record.vm));
            return Nothing{};
        },
        [this, steps](Outcome<Nothing> outcome) {
            try {
                if (auto* error = std::get_if<Error>(&outcome))
                    throw Error(*error);
                start(steps);
            } catch (...) {
                undo_launch(steps, bus::current_error());
            }
        });
}

void Machine::start(const std::shared_ptr<LaunchSteps>& steps) {
    const auto& request = steps->request;
    auto& record = steps->record;
    JailSpec spec;
    spec.name = jail_name(record.uid, record.vm);
    spec.owner = steps->owner.name;
    spec.vcpus = request.vcpus;
    spec.memory_mib = request.memory_mib;
    spec.uid = steps->owner.uid;
    spec.gid = steps->owner.gid;
    spec.vm = record.vm.str();
    const bool firecracker = request.kind == VmmKind::Firecracker;
    const auto qemu = firecracker ? OwnedFd() : open_vmm_program();
    const auto run = make_jail_folder(spec.name, spec.uid, spec.gid);
    // Firecracker attaches to the tap by itself, which has one end only.
    const auto tap = request.tap && !firecracker ? links::attach_tap(record.tap->name) : OwnedFd();
    const auto output = request.console ? OwnedFd() : make_output();
    spec.program_fd = firecracker ? steps->programs.firecracker.get() : qemu.get();
    spec.jailer_fd = steps->programs.jailer.get();
    spec.run_fd = run.get();
    spec.kernel_fd = request.kernel.get();
    spec.initrd_fd = request.initrd.get();
    for (const auto& drive : request.drives)
        spec.drives.push_back({drive.name.str(), drive.read_only, drive.file.get()});
    if (request.tap)
        spec.tap = record.tap->name.str();
    spec.tap_fd = tap.get();
    spec.output_fd = request.console ? request.console.get() : output.get();
    spec.null = request.kind == VmmKind::Null;
    spec.null_mode = request.null_mode;
    steps->progress = launcher_->prepare(spec);
    record.jail = Step::Made;
    steps->progress->go({[this, steps](const ProcessId& monitor) { held(steps, monitor); },
                         [this, steps](const ProcessId& main) { known(steps, main); },
                         [this, steps](Outcome<ProcessId> outcome) { launched(steps, std::move(outcome)); }});
}

void Machine::held(const std::shared_ptr<LaunchSteps>& steps, const ProcessId& monitor) {
    steps->record.vmm =
        VmmRecord{kind_name(steps->request.kind), VmmState::Launching, monitor, {}, steps->progress->unit()};
    ledger_.put(steps->record);
}

void Machine::known(const std::shared_ptr<LaunchSteps>& steps, const ProcessId& main) {
    steps->record.vmm->main = main;
    steps->record.vmm->state = VmmState::Running;
    ledger_.put(steps->record);
}

void Machine::launched(const std::shared_ptr<LaunchSteps>& steps, Outcome<ProcessId> outcome) {
    const OpScope scope(steps->op_id);
    const auto progress = std::move(steps->progress); // it holds what holds `steps`
    if (const auto* error = std::get_if<Error>(&outcome))
        return undo_launch(steps, *error);
    watch(steps->record);
    const auto run = jail_run_path(jail_name(steps->record.uid, steps->record.vm));
    const auto& vmm = *steps->record.vmm;
    steps->done(Launched{vmm.unit, vmm.main->pid, run + "/api.sock", run + "/vsock.sock"});
}

/// Nothing of a failed start stays but what was there before: the tap.
void Machine::undo_launch(const std::shared_ptr<LaunchSteps>& steps, const Error& error) {
    steps->progress.reset();
    workers_.run<Nothing>(
        steps->record.uid,
        [sweep = launcher_->sweep(), record = steps->record] {
            sweep(record);
            remove_jail_folder(jail_name(record.uid, record.vm));
            return Nothing{};
        },
        [this, steps, error](const Outcome<Nothing>& outcome) {
            try {
                if (const auto* failed = std::get_if<Error>(&outcome)) {
                    log::error("the jail of a failed start stays: " + failed->message());
                } else {
                    steps->record.jail.reset();
                    steps->record.vmm.reset();
                    ledger_.put(steps->record);
                }
            } catch (...) {
                log::error("after a failed start: " + bus::current_error().message());
            }
            steps->done(error);
        });
}

} // namespace banger::helper
