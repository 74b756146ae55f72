#include "base/accelerator.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "daemon/clock.hpp"
#include "daemon/host.hpp"
#include "daemon/vm/recovery.hpp"
#include "daemon/vm/vms.hpp"

#include <algorithm>
#include <filesystem>

namespace banger::daemon {

void Vms::load() {
    const OpScope scope(OpId::make().str());
    boot_id_ = current_boot_id();
    host_has_rebooted_ = tools_.store.setting("boot-id") != boot_id_;
    for (auto& row : tools_.store.vms()) {
        const auto entry = add_entry(std::move(row.config));
        entry->status = std::move(row.status);
        const auto state = entry->status.state;
        entry->needs_cleanup = is_active(state) || state == VmState::Deleting;
        if (state == VmState::Deleting) {
            enqueue_cleanup(entry);
            continue;
        }
        put_on_bus(entry);
        if (is_active(state) || entry->config.ephemeral)
            enqueue_recovery(entry);
    }
    remove_leftovers();
    survey();
    for (const auto& entry : list())
        if (host_has_rebooted_ && entry->config.autostart && !entry->recovering)
            start_unasked(entry, "the host has booted");
    note_boot();
}

/// Once what the last boot's VMs came to is written down: a daemon that ends before that begins anew.
void Vms::note_boot() {
    const bool unknown = std::any_of(entries_.begin(), entries_.end(),
                                     [](const auto& known) { return known.second->recovering; });
    if (boot_id_.empty() || unknown)
        return;
    try {
        if (host_has_rebooted_)
            tools_.store.set_setting("boot-id", boot_id_);
        boot_id_.clear();
    } catch (const Error& error) { // the VMs go on; the next daemon would take this boot for a new one
        log::error("cannot write down that the host has booted: " + error.message());
    }
}

void Vms::start_unasked(const EntryPtr& entry, const std::string& why) {
    try {
        log::info("VM " + entry->config.name.str() + " is started: " + why);
        start(entry, StartRequest().ready_timeout, {OpId::make().str(), {}, false});
    } catch (const Error& error) {
        log::warning("cannot start VM " + entry->config.name.str() + ": " + error.message());
    }
}

void Vms::enqueue_recovery(const EntryPtr& entry) {
    entry->recovering = true;
    entry->enqueue_front(
        {.kind = OpKind::Recover, .job = nullptr, .begin = [this, entry, op_id = current_op_id()] {
             const OpScope scope(op_id);
             begin_recovery(entry);
         }});
}

void Vms::begin_recovery(const EntryPtr& entry) {
    if (!entry->recovering)
        return entry->finished(); // a stop has seen to it meanwhile
    // A tie does not outlive the daemon: who holds the other end is not known any more.
    const auto state = entry->status.state;
    const bool adopt = (state == VmState::Running || state == VmState::Paused) && !entry->config.ephemeral &&
                       !entry->config.tied;
    const RecoveryPlan plan{entry->config.id, entry->paths, adopt, host_has_rebooted_};
    tools_.crew.run<Recovered>(
        {current_op_id(), false, {}},
        [plan](HelperClient& helper, const std::stop_token&) { return recover_vm(plan, helper); },
        [this, entry](const Outcome<Recovered>& outcome) { recovered(entry, outcome); });
}

void Vms::recovered(const EntryPtr& entry, const Outcome<Recovered>& outcome) {
    if (const auto* error = std::get_if<Error>(&outcome)) {
        if (entry->retries == 0)
            log::warning("cannot find out what became of VM " + entry->config.name.str() + ": " +
                         error->message() + "; it is tried again");
        retry_later(entry, [this, entry] {
            if (entry->recovering)
                enqueue_recovery(entry);
        });
    } else {
        entry->recovering = false;
        entry->retries = 0;
        settle(entry, std::get<Recovered>(outcome));
        entry->waiters.tell(entry->status);
        recovery_over(*entry);
    }
    entry->finished();
    tell_recovered(*entry);
}

void Vms::tell_recovered(VmEntry& entry) {
    for (const auto& waiting : std::exchange(entry.recovered, {}))
        tools_.loop.post(waiting);
}

/// What became of it is known and written down, by a look or by an end.
void Vms::recovery_over(VmEntry& entry) {
    entry.recovering = false;
    tell_recovered(entry);
    note_boot();
}

/// What is known now goes into the state.
void Vms::settle(const EntryPtr& entry, const Recovered& found) {
    if (found.vmm) {
        log::info("VM " + entry->config.name.str() + (found.paused ? " is still paused" : " still runs"));
        entry->status.last_active = now_microseconds(); // what went on while no daemon looked is not known
        hold_vmm(entry, std::move(*found.vmm));
        return advance(*entry, found.paused ? VmEvent::FoundPaused : VmEvent::Found);
    }
    entry->needs_cleanup = false;
    bool has_rebooted = false; // the guest, with nobody there to boot it again
    if (is_active(entry->status.state)) {
        advance(*entry, VmEvent::Lost, ending_of_lost(*entry, found.ending));
        has_rebooted = entry->status.ending.reason == exit_reason::reboot;
    }
    if (entry->config.ephemeral) {
        doom(*entry);
        entry->object.reset();
        return enqueue_delete(entry, nullptr);
    }
    if (entry->end_is_waiting())
        return; // a start would come after it
    if (host_has_rebooted_ && entry->config.autostart)
        start_unasked(entry, "the host has booted");
    else if (has_rebooted)
        start_unasked(entry, "its guest has rebooted");
}

/// A start or stop that the last daemon had begun has been ended; so has a VM whose client is gone.
Ending Vms::ending_of_lost(const VmEntry& entry, const Ending& seen) const {
    switch (entry.status.state) {
    case VmState::Starting:
        return {std::string(exit_reason::start_failed), "the daemon ended meanwhile"};
    case VmState::Stopping:
        return {std::string(exit_reason::stopped), {}};
    default:
        return entry.config.tied ? Ending{std::string(exit_reason::stopped), "its client is gone"} : seen;
    }
}

/// What the helper holds of this owner beyond what is being recovered anyway; and what it would run VMs with.
void Vms::survey() {
    struct Found {
        std::vector<std::string> ids;
        VmmChoice choice;
    };
    tools_.crew.run<Found>(
        {current_op_id(), false, {}},
        [](HelperClient& helper, const std::stop_token&) {
            auto ids = helper.list();
            return Found{std::move(ids), choose_vmm(helper.vmms(), accelerator())};
        },
        [this](Outcome<Found> outcome) {
            if (const auto* error = std::get_if<Error>(&outcome))
                return log::warning("cannot ask the helper what it holds: " + error->message());
            const auto& [ids, choice] = std::get<0>(outcome);
            log::info("VMs run with " + choice.vmm + ": " + choice.why);
            automatic_vmm_ = choice.vmm;
            surveyed(ids);
        });
}

void Vms::surveyed(const std::vector<std::string>& ids) {
    for (const auto& text : ids) {
        const auto known = entries_.find(text);
        if (known == entries_.end()) {
            log::info("removing what is left of VM " + text + ", which nobody knows");
            tools_.crew.run<Nothing>(
                {current_op_id(), false, {}},
                [id = VmId::parse(text)](HelperClient& helper, const std::stop_token&) {
                    helper.cleanup(id);
                    return Nothing{};
                },
                [text](const Outcome<Nothing>& outcome) {
                    if (const auto* error = std::get_if<Error>(&outcome))
                        log::warning("cannot remove what is left of VM " + text + ": " + error->message());
                });
        } else if (const auto& entry = known->second; !entry->busy() && !is_active(entry->status.state)) {
            entry->needs_cleanup = true;
            enqueue_cleanup(entry);
        }
    }
}

/// Folders of VMs that nobody knows: of a VM that was deleted while the daemon died. Only where the database
/// is the one that knew them.
void Vms::remove_leftovers() {
    const auto folder = tools_.data_dir + "/vms";
    std::vector<std::string> leftovers;
    std::error_code none;
    for (const auto& found : std::filesystem::directory_iterator(folder, none))
        if (!entries_.contains(found.path().filename().string()))
            leftovers.push_back(found.path().string());
    if (leftovers.empty())
        return;
    if (!tools_.store.is_authoritative()) {
        log::warning(std::to_string(leftovers.size()) + " folders in " + folder +
                     " belong to VMs that the database does not know; they are kept");
        return;
    }
    tools_.crew.run<Nothing>(
        {current_op_id(), false, {}},
        [leftovers](HelperClient&, const std::stop_token&) {
            for (const auto& path : leftovers)
                remove_tree(path);
            return Nothing{};
        },
        [](const Outcome<Nothing>& outcome) {
            if (const auto* error = std::get_if<Error>(&outcome))
                log::warning("cannot remove what is left of a deleted VM: " + error->message());
        });
}

} // namespace banger::daemon
