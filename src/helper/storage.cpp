#include "helper/storage.hpp"

#include "base/log.hpp"
#include "bus/errors.hpp"
#include "helper/block.hpp"
#include "helper/network.hpp"
#include "helper/vm_unit.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>

namespace banger::helper {

namespace {

constexpr uint64_t sector = 512;

Error failed(const std::string& what, const std::string& hint = {}) {
    return {ErrorCode::FailedPrecondition, what, hint};
}

bool vmm_may_run(const VmRecord& record) {
    return record.vmm && record.vmm->state != VmmState::Exited;
}

void check_header_of(int cow) {
    std::array<char, 16> bytes{};
    const auto n = ::pread(cow, bytes.data(), bytes.size(), 0);
    if (n < 0)
        throw_errno("read the cow");
    check_cow_header({bytes.data(), static_cast<size_t>(n)});
}

/// Worker's work. When it throws, the loop devices go with the descriptors here.
void make(Mapper& mapper, const std::string& name, int rootfs, uint64_t size, int cow, uint64_t cow_size) {
    const auto origin = attach_loop(rootfs, size, true);
    const auto store = attach_loop(cow, cow_size, false);
    check_header_of(store.held.get()); // as late as can be: its owner may write to it
    mapper.create(name, {size / sector, origin.device, store.device});
}

} // namespace

std::string snapshot_name(uint32_t uid, const VmId& vm) {
    return "banger-" + std::to_string(uid) + "-" + vm.str();
}

Storage::Storage(Ledger& ledger, Lanes& lanes, Workers& workers, Mapper& mapper, DiskChildren& children,
                 Mending& mending)
    : ledger_(ledger)
    , lanes_(lanes)
    , workers_(workers)
    , mapper_(mapper)
    , children_(children)
    , mending_(mending) {}

/// What a CreateSnapshot needs from its begin to its end.
struct Storage::CreateSteps {
    install::Owner owner;
    CreateSnapshot request;
    Turn turn;
    Done<std::string> done;
    DiskFile rootfs, cow;
    std::string name;
    SnapshotRecord wanted{};
    std::optional<SnapshotRecord> before{};
};

void Storage::perform(const Key& grant, CreateSnapshot request, const Done<std::string>& done) {
    auto steps = std::make_shared<CreateSteps>(
        CreateSteps{grant.owner(), std::move(request), nullptr, done, {}, {}, {}, {}, {}});
    const auto uid = steps->owner.uid;
    steps->name = snapshot_name(uid, steps->request.vm);
    lanes_.enter(vm_lane(uid, steps->request.vm), [=, this, op = grant.op_id()](const Turn& turn) {
        const OpScope scope(op);
        steps->turn = turn;
        workers_.run<Nothing>(
            uid,
            [this, steps] {
                const auto& request = steps->request;
                const auto owner = steps->owner.uid;
                steps->rootfs =
                    check_disk_file(request.rootfs.get(), owner, Access::Read, most_rootfs, "the rootfs");
                steps->cow =
                    check_disk_file(request.cow.get(), owner, Access::ReadWrite, most_cow, "the cow");
                mapper_.require();
                return Nothing{};
            },
            [this, steps](Outcome<Nothing> outcome) {
                guarded(steps->done, [&] {
                    if (const auto* error = std::get_if<Error>(&outcome))
                        throw Error(*error);
                    checked(steps);
                });
                steps->turn.reset(); // the next step has its own
            });
    });
}

/// The record for what is asked, unless it may not be.
SnapshotRecord Storage::want(uint32_t uid, const VmId& vm, const DiskFile& rootfs,
                             const DiskFile& cow) const {
    const auto* known = ledger_.vm(uid, vm);
    SnapshotRecord wanted{rootfs.id, cow.id, Step::Making, cow.size};
    if (!known && ledger_.count_vms_of(uid) >= vms_per_owner)
        throw failed("you have " + std::to_string(vms_per_owner) + " VMs, which is the limit");
    if (known && known->snapshot) {
        if (known->snapshot->rootfs != wanted.rootfs || known->snapshot->cow != wanted.cow)
            throw failed("the VM has a snapshot of other files", "remove it first");
        wanted.step = known->snapshot->step;
        // A file that was cut since then does not make the kernel's part smaller.
        wanted.cow_size = std::max(wanted.cow_size, known->snapshot->cow_size);
    } else if (ledger_.count_snapshots_of(uid) >= snapshots_per_owner) {
        throw failed("you have " + std::to_string(snapshots_per_owner) + " snapshots, which is the limit");
    }
    if (wanted.cow_size >
        cow_bytes_per_owner - std::min(cow_bytes_per_owner, ledger_.cow_bytes_beside(uid, vm)))
        throw failed("your cows would have more than " + std::to_string(cow_bytes_per_owner) +
                         " bytes together, which is the limit",
                     "remove other snapshots, or take a smaller cow");
    if (wanted.rootfs == wanted.cow)
        throw failed("rootfs and cow are the same file");
    const auto* writer = ledger_.file_holder(wanted.cow);
    if ((writer && writer != known) || ledger_.cow_holder(wanted.rootfs))
        throw Error(ErrorCode::Busy, "a file is in use by the snapshot of another VM",
                    "give each VM a cow of its own");
    return wanted;
}

void Storage::checked(const std::shared_ptr<CreateSteps>& steps) {
    const auto uid = steps->owner.uid;
    if (const auto* known = ledger_.vm(uid, steps->request.vm))
        steps->before = known->snapshot;
    steps->wanted = want(uid, steps->request.vm, steps->rootfs, steps->cow);
    write(uid, steps->request.vm, steps->wanted);
    workers_.run<Nothing>(
        uid,
        [this, steps] {
            if (!mapper_.find(steps->name))
                make(mapper_, steps->name, steps->request.rootfs.get(), steps->rootfs.size,
                     steps->request.cow.get(), steps->cow.size);
            mapper_.check_chunk(steps->name);
            return Nothing{};
        },
        [this, steps, turn = steps->turn](const Outcome<Nothing>& outcome) {
            guarded(steps->done, [&] { made(steps, outcome); });
        });
}

void Storage::made(const std::shared_ptr<CreateSteps>& steps, const Outcome<Nothing>& outcome) {
    const auto uid = steps->owner.uid;
    const auto& vm = steps->request.vm;
    if (const auto* error = std::get_if<Error>(&outcome)) {
        write(uid, vm, steps->before); // all or nothing was made, and what there was is there
        throw Error(*error);
    }
    steps->wanted.step = Step::Made;
    write(uid, vm, steps->wanted);
    steps->done(steps->name);
}

void Storage::perform(const Key& grant, const RemoveSnapshot& request, const Done<Nothing>& done) {
    lanes_.enter(
        vm_lane(grant.owner().uid, request.vm), [=, this, uid = grant.owner().uid](const Turn& turn) {
            guarded(done, [&] {
                const auto* known = ledger_.vm(uid, request.vm);
                if (!known || !known->snapshot)
                    return done(Nothing{});
                if (vmm_may_run(*known))
                    throw failed("the VM's VMM is running", "kill it first");
                remove_snapshot(*known, [turn, done](Outcome<Nothing> outcome) { done(std::move(outcome)); });
            });
        });
}

void Storage::remove_snapshot(const VmRecord& record, const Done<Nothing>& done) {
    auto snapshot = *record.snapshot;
    snapshot.step = Step::Removing;
    write(record.uid, record.vm, snapshot);
    workers_.run<Nothing>(
        record.uid,
        [this, name = snapshot_name(record.uid, record.vm)] {
            mapper_.remove(name);
            return Nothing{};
        },
        [this, uid = record.uid, vm = record.vm, done](Outcome<Nothing> outcome) {
            guarded(done, [&] {
                if (!std::holds_alternative<Error>(outcome))
                    write(uid, vm, std::nullopt);
                done(std::move(outcome));
            });
        });
}

/// Into the record as it is at this moment: VMMs that end change it at any time.
void Storage::write(uint32_t uid, const VmId& vm, const std::optional<SnapshotRecord>& snapshot) {
    const auto* known = ledger_.vm(uid, vm);
    auto record = known ? *known : VmRecord{uid, vm, {}, {}, {}};
    record.snapshot = snapshot;
    ledger_.put(record);
}

void Storage::mend() {
    try {
        DiskChildren::end_left();
    } catch (const Error& error) {
        log::error("while mending: " + error.message());
    }
    take_back_left_nodes();
    for (const auto& record : ledger_.vms()) {
        if (!record.snapshot || record.snapshot->step == Step::Made)
            continue;
        log::notice("removing the half-made snapshot", {{"VM_ID", record.vm.str()}});
        mending_.enter(
            record.uid, record.vm,
            [this, name = snapshot_name(record.uid, record.vm)] { mapper_.remove(name); },
            [this, record] { write(record.uid, record.vm, std::nullopt); });
    }
    try {
        for (const auto& name : mapper_.names())
            mend_unknown(name);
    } catch (const std::exception& error) {
        log::error("while mending snapshots: " + std::string(error.what()));
    }
}

/// A device of banger's is removed unless a record knows it.
void Storage::mend_unknown(const std::string& name) {
    const std::string_view prefix = "banger-";
    const auto whose = name.starts_with(prefix)
                           ? parse_owner_and_vm(std::string_view(name).substr(prefix.size()))
                           : std::nullopt;
    const auto* known = whose ? ledger_.vm(whose->first, whose->second) : nullptr;
    if (known && known->snapshot)
        return;
    log::warning("removing the snapshot " + name + ", which no record knows");
    if (whose)
        mending_.enter(whose->first, whose->second, [this, name] { mapper_.remove(name); }, [] {});
    else
        mapper_.remove(name);
}

} // namespace banger::helper
