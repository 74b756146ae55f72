#include "helper/machine.hpp"

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/process.hpp"
#include "bus/errors.hpp"
#include "helper/process_id.hpp"
#include "helper/vm_unit.hpp"

#include <sys/wait.h>

#include <cerrno>
#include <csignal>

namespace banger::helper {

namespace {

constexpr std::chrono::seconds kill_patience{10};

std::string api_socket_of(const VmRecord& record) {
    return jail_run_path(jail_name(record.uid, record.vm)) + "/api.sock";
}
std::string vsock_socket_of(const VmRecord& record) {
    return jail_run_path(jail_name(record.uid, record.vm)) + "/vsock.sock";
}

} // namespace

Machine::Machine(Ledger& ledger, Lanes& lanes, Workers& workers, Network& network, Storage& storage,
                 Mending& mending, std::unique_ptr<Launcher> launcher)
    : ledger_(ledger)
    , lanes_(lanes)
    , workers_(workers)
    , network_(network)
    , storage_(storage)
    , mending_(mending)
    , launcher_(std::move(launcher)) {}

void Machine::perform(const Key& grant, const Inspect& request, const Done<Facts>& done) {
    lanes_.enter(vm_lane(grant.owner().uid, request.vm), [=, this, uid = grant.owner().uid](const Turn&) {
        guarded(done, [&] {
            const auto* record = ledger_.vm(uid, request.vm);
            Facts facts;
            facts.state = !record || !record->vmm ? "absent" : open_vmm(*record) ? "running" : "exited";
            if (record && record->snapshot && record->snapshot->step == Step::Made)
                facts.snapshot = snapshot_name(uid, request.vm);
            if (record && record->tap) {
                facts.tap = record->tap->name.str();
                facts.bridge = record->tap->bridge.str();
            }
            if (record && record->vmm) {
                facts.vmm = record->vmm->kind;
                facts.unit = record->vmm->unit;
                facts.api_socket = api_socket_of(*record);
                facts.vsock_socket = vsock_socket_of(*record);
                if (facts.state == "running")
                    facts.pid = record->vmm->main.value_or(record->vmm->monitor).pid;
            }
            done(facts);
        });
    });
}

void Machine::perform(const Key& grant, const List&, const Done<std::vector<std::string>>& done) {
    mending_.after(grant.owner().uid, [this, uid = grant.owner().uid, done] {
        guarded(done, [&] {
            std::vector<std::string> names;
            for (const auto& record : ledger_.vms_of(uid))
                names.push_back(record.vm.str());
            done(names);
        });
    });
}

void Machine::perform(const Key& grant, const SendSignal& request, const Done<Nothing>& done) {
    lanes_.enter(vm_lane(grant.owner().uid, request.vm), [=, this, uid = grant.owner().uid](const Turn&) {
        guarded(done, [&] {
            const auto* record = ledger_.vm(uid, request.vm);
            const auto pidfd = record ? open_vmm(*record) : OwnedFd();
            if (!pidfd)
                throw Error(ErrorCode::NotFound, "no VMM of VM " + request.vm.str() + " is running");
            send_signal(pidfd.get(), request.signal.number());
            done(Nothing{});
        });
    });
}

void Machine::perform(const Key& grant, const Kill& request, const Done<Nothing>& done) {
    lanes_.enter(vm_lane(grant.owner().uid, request.vm),
                 [=, this, uid = grant.owner().uid](const Turn& turn) {
                     guarded(done, [&] {
                         const auto* record = ledger_.vm(uid, request.vm);
                         if (!record || !record->vmm)
                             return done(Nothing{});
                         kill(*record, [turn, done](Outcome<Nothing> outcome) { done(std::move(outcome)); });
                     });
                 });
}

void Machine::perform(const Key& grant, const Cleanup& request, const Done<Nothing>& done) {
    lanes_.enter(vm_lane(grant.owner().uid, request.vm),
                 [=, this, uid = grant.owner().uid](const Turn& turn) {
                     guarded(done, [&] {
                         const auto* record = ledger_.vm(uid, request.vm);
                         if (!record)
                             return done(Nothing{});
                         kill(*record, [=, this, before = *record](Outcome<Nothing> outcome) {
                             if (std::holds_alternative<Error>(outcome))
                                 return done(std::move(outcome));
                             guarded(done, [&] { remove_jail(before, turn, done); });
                         });
                     });
                 });
}

void Machine::kill(const VmRecord& record, const Done<Nothing>& done) {
    auto pidfd = open_vmm(record);
    if (!pidfd)
        return sweep(record, done);
    send_signal(pidfd.get(), SIGKILL);
    await_end(record, std::move(pidfd), done);
}

/// Waits, in the loop, for the process's end; then for what else is in the jail.
void Machine::await_end(const VmRecord& record, OwnedFd pidfd, const Done<Nothing>& done) {
    struct Wait {
        OwnedFd pidfd;
        FdWatch ended;
        Timer limit;
    };
    auto wait = std::make_shared<Wait>();
    wait->pidfd = std::move(pidfd);
    const auto settle = [this, record, done, op = current_op_id()](const std::shared_ptr<Wait>& kept,
                                                                   bool in_time) {
        const auto held = kept; // the watch and timer that own this call hold it too, until cancelled
        held->ended.cancel();
        held->limit.cancel();
        const OpScope scope(op);
        guarded(done, [&] {
            if (!in_time)
                throw Error(ErrorCode::Timeout, "the VMM does not end although it was killed",
                            "it hangs in the kernel; try again later");
            sweep(record, done);
        });
    };
    wait->ended = FdWatch(wait->pidfd.get(), [wait, settle] {
        settle(wait, true);
        return false;
    });
    wait->limit = Timer(kill_patience, [wait, settle] {
        settle(wait, false);
        return false;
    });
}

void Machine::sweep(const VmRecord& record, const Done<Nothing>& done) {
    workers_.run<Nothing>(
        record.uid,
        [sweep = launcher_->sweep(), record] {
            sweep(record);
            return Nothing{};
        },
        [this, key = VmKey{record.uid, record.vm.str()}, done](Outcome<Nothing> outcome) {
            if (!std::holds_alternative<Error>(outcome))
                ended(key);
            done(std::move(outcome));
        });
}

/// Of Cleanup, when nothing runs any more: jail, then snapshot, then tap, then the record.
void Machine::remove_jail(const VmRecord& before, const Turn& turn, const Done<Nothing>& done) {
    const auto* now = ledger_.vm(before.uid, before.vm);
    auto record = now ? *now : before;
    record.vmm.reset();
    record.jail = Step::Removing; // a record without a jail may still have a folder; removal is idempotent
    ledger_.put(record);
    workers_.run<Nothing>(
        record.uid,
        [name = jail_name(record.uid, record.vm)] {
            remove_jail_folder(name);
            return Nothing{};
        },
        [this, record, turn, done](Outcome<Nothing> outcome) mutable {
            if (std::holds_alternative<Error>(outcome))
                return done(std::move(outcome));
            guarded(done, [&] {
                record.jail.reset();
                ledger_.put(record);
                remove_rest(record, turn, done);
            });
        });
}

void Machine::remove_rest(const VmRecord& record, const Turn& turn, const Done<Nothing>& done) {
    if (record.snapshot)
        return storage_.remove_snapshot(record, [=, this](Outcome<Nothing> outcome) {
            if (std::holds_alternative<Error>(outcome))
                return done(std::move(outcome));
            auto rest = record;
            rest.snapshot.reset();
            guarded(done, [&] { remove_rest(rest, turn, done); });
        });
    if (!record.tap)
        return done(Nothing{});
    network_.remove_tap(record, [turn, done](Outcome<Nothing> removed) { done(std::move(removed)); });
}

void Machine::watch(const VmRecord& record) {
    const VmKey key{record.uid, record.vm.str()};
    // The guardian ends after the VMM; when it was lost, the VMM itself is watched.
    for (const auto& id : {record.vmm->monitor, record.vmm->main.value_or(ProcessId{})}) {
        auto pidfd = open_if_alive_in(record.vmm->unit, id);
        if (!pidfd)
            continue;
        auto& entry = watched_[key];
        entry.id = id;
        entry.pidfd = std::move(pidfd);
        entry.ended = FdWatch(entry.pidfd.get(), [this, key] {
            watched_ended(key);
            return false;
        });
        return;
    }
    ended(key);
}

/// The guardian may end before the VMM does: then the VMM is watched on.
void Machine::watched_ended(const VmKey& key) {
    const auto* record = ledger_.vm(key.first, VmId::parse(key.second));
    if (record && record->vmm && record->vmm->main &&
        open_if_alive_in(record->vmm->unit, *record->vmm->main)) {
        reap(key);
        return watch(*record);
    }
    ended(key);
}

/// Of the helper's own children: takes the exit status, so that no zombie stays.
void Machine::reap(const VmKey& key) {
    const auto found = watched_.find(key);
    int status = 0;
    if (found != watched_.end() && ::waitpid(found->second.id.pid, &status, WNOHANG) == found->second.id.pid)
        log::info("a VMM has ended with status " + std::to_string(shell_status(status)),
                  {{"VM_ID", key.second}, {"OWNER_UID", std::to_string(key.first)}});
}

/// Writes down that a VMM has exited, and reaps it if it is the helper's child.
void Machine::ended(const VmKey& key) {
    try {
        reap(key);
        watched_.erase(key);
        const auto* known = ledger_.vm(key.first, VmId::parse(key.second));
        if (!known || !known->vmm || known->vmm->state == VmmState::Exited)
            return;
        auto record = *known;
        record.vmm->state = VmmState::Exited;
        ledger_.put(record);
    } catch (const std::exception& error) {
        log::error("while noting that a VMM has ended: " + std::string(error.what()),
                   {{"VM_ID", key.second}});
    }
}

void Machine::mend() {
    for (const auto& record : ledger_.vms())
        mend_one(record.vm.str(), [&] { mend_vm(record); });
    for (const auto& unit : vm_units())
        mend_one(unit, [&] { mend_unit(unit); });
    for (const auto& name : jail_folders())
        mend_one(name, [&] { mend_folder(name); });
}

/// One that cannot be mended does not keep the helper from the others.
template <class Body>
void Machine::mend_one(const std::string& name, Body body) noexcept {
    try {
        body();
    } catch (const std::exception& error) {
        log::error("while mending " + name + ": " + error.what());
    }
}

/// A unit that no record knows: of a start that was cut off before anything could be written down.
void Machine::mend_unit(const std::string& unit) {
    const auto whose = parse_unit_name(unit);
    if (!whose)
        return;
    const auto* known = ledger_.vm(whose->first, whose->second);
    if (known && known->vmm && known->vmm->unit == unit)
        return;
    log::warning("ending the unit " + unit + ", which no record knows");
    mending_.enter(whose->first, whose->second, [unit] { kill_unit(unit); }, [] {});
}

void Machine::mend_folder(const std::string& name) {
    const auto whose = parse_owner_and_vm(name);
    if (!whose)
        return; // no jail's name
    const auto* known = ledger_.vm(whose->first, whose->second);
    if (known && known->jail)
        return;
    log::warning("removing the jail " + name + ", which no record knows");
    const VmRecord nothing{whose->first, whose->second, {}, {}, {}};
    mending_.enter(
        nothing.uid, nothing.vm,
        [sweep = launcher_->sweep(), nothing, name] {
            sweep(nothing);
            remove_jail_folder(name);
        },
        [] {});
}

void Machine::mend_vm(VmRecord record) {
    if (record.vmm && record.vmm->state == VmmState::Running)
        watch(record);
    const bool half_started = record.vmm && record.vmm->state == VmmState::Launching;
    const bool half_made = record.jail && *record.jail != Step::Made;
    if (!half_started && !half_made)
        return;
    log::notice("removing a half-made jail", {{"VM_ID", record.vm.str()}});
    if (!half_started)
        record.vmm.reset();
    mending_.enter(
        record.uid, record.vm,
        [sweep = launcher_->sweep(), record] {
            sweep(record);
            remove_jail_folder(jail_name(record.uid, record.vm));
        },
        [this, uid = record.uid, vm = record.vm] {
            const auto* known = ledger_.vm(uid, vm);
            if (!known)
                return;
            auto now = *known; // other parts of it were mended meanwhile
            now.vmm.reset();
            now.jail.reset();
            ledger_.put(now);
        });
}

} // namespace banger::helper
