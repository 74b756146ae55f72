#include "daemon/vm/vms.hpp"

#include "base/file.hpp"
#include "base/log.hpp"
#include "daemon/announce.hpp"
#include "daemon/clock.hpp"
#include "daemon/vm/session.hpp"

#include <algorithm>

namespace banger::daemon {

Vms::Vms(Tools tools)
    : tools_(std::move(tools)) {}

EntryPtr Vms::find(std::string_view name_or_id) const {
    if (const auto found = entries_.find(std::string(name_or_id));
        found != entries_.end() && found->second->object)
        return found->second;
    for (const auto& [id, entry] : entries_)
        if (entry->config.name.str() == name_or_id && entry->status.state != VmState::Deleting)
            return entry;
    throw Error(ErrorCode::NotFound, "there is no VM named " + std::string(name_or_id.substr(0, 64)),
                "`banger vm list --all` shows the VMs");
}

std::vector<EntryPtr> Vms::list() const {
    std::vector<EntryPtr> vms;
    for (const auto& [id, entry] : entries_)
        if (entry->object)
            vms.push_back(entry);
    std::sort(vms.begin(), vms.end(), [](const EntryPtr& a, const EntryPtr& b) {
        return std::tie(a->config.created_at, a->config.id) < std::tie(b->config.created_at, b->config.id);
    });
    return vms;
}

bool Vms::uses_image(std::string_view name) const {
    return std::any_of(entries_.begin(), entries_.end(), [&](const auto& known) {
        return known.second->object && known.second->config.image == name;
    });
}

bool Vms::uses_kernel(std::string_view name) const {
    return std::any_of(entries_.begin(), entries_.end(), [&](const auto& known) {
        return known.second->object && known.second->config.kernel == name;
    });
}

bool Vms::idle() const {
    return tools_.crew.idle() && std::none_of(entries_.begin(), entries_.end(),
                                              [](const auto& known) { return known.second->busy(); });
}

EntryPtr Vms::add_entry(VmConfig config) {
    auto paths = vm_paths(tools_.data_dir, config.id);
    const auto id = config.id.str();
    return entries_[id] = std::make_shared<VmEntry>(tools_.loop, std::move(config), std::move(paths));
}

void Vms::put_on_bus(const EntryPtr& entry) {
    entry->object = std::make_unique<VmObject>(tools_.connection, *entry, *this);
}

void Vms::advance(VmEntry& entry, VmEvent event, Ending ending) {
    auto& status = entry.status;
    if (status.state == VmState::Deleting)
        return;
    const auto next = next_state(status.state, event);
    if (!next)
        return log::error("VM " + entry.config.id.str() + " is " + std::string(vm_state_name(status.state)) +
                          ", where " + std::string(vm_event_name(event)) + " was not foreseen");
    status.state = *next;
    status.ending = std::move(ending);
    write_down(entry);
    if (entry.object)
        entry.object->emit_status();
    entry.waiters.tell(status);
}

void Vms::write_down(VmEntry& entry) {
    try {
        tools_.store.update(entry.config.id, entry.status);
    } catch (const Error& error) {
        // The VM goes on; the next daemon finds out by itself what became of it.
        log::error("cannot write down the state of VM " + entry.config.id.str() + ": " + error.message());
    }
}

/// It is there from now on; the state follows with an event of its own.
void Vms::hold_vmm(const EntryPtr& entry, RunningVmm vmm) {
    auto& status = entry->status;
    status.pid = vmm.pid;
    status.api_socket = std::move(vmm.api_socket);
    status.vsock_socket = std::move(vmm.vsock_socket);
    status.vmm = std::move(vmm.vmm);
    status.tap = std::move(vmm.tap);
    entry->pidfd = std::make_shared<const OwnedFd>(std::move(vmm.pidfd));
    entry->needs_cleanup = true; // from now on the helper holds something of it
    entry->sent.reset();
    entry->halted_console.clear();
    watch_exit(entry);
    if (!patrol_.active() || entry->config.auto_stop_after > 0)
        tools_.loop.post([this] { arm_patrol(); }); // once the state is what this is about
}

void Vms::watch_exit(const EntryPtr& entry) {
    entry->exit_watch = FdWatch(entry->pidfd->get(), [this, weak = std::weak_ptr(entry)] {
        if (const auto known = weak.lock())
            on_exit(known);
        return false;
    });
}

void Vms::forget_vmm(VmEntry& entry) {
    entry.exit_watch.cancel();
    entry.pidfd.reset();
    entry.quick_reboots = 0;
    entry.status.pid = 0;
    entry.status.api_socket.clear();
    entry.status.vsock_socket.clear();
    entry.status.vmm.clear();
    entry.status.tap.clear();
}

bus::Variants Vms::result_of(const VmEntry& entry) const {
    return {{"vm", sdbus::Variant{vm_path(entry)}},
            {"id", sdbus::Variant{entry.config.id.str()}},
            {"name", sdbus::Variant{entry.config.name.str()}}};
}

JobPtr Vms::make_job(const char* operation, const Request& request, bool cancelable) {
    return tools_.jobs.make({.id = {},
                             .operation = operation,
                             .op_id = request.op_id,
                             .cancelable = cancelable,
                             .interactive = request.interactive});
}

Crew::Task Vms::task_of(const Job& job) const {
    return {job.spec().op_id, job.spec().interactive, job.stop_token()};
}

void Vms::open_session(const EntryPtr& entry, bool early, const LateSession& late) {
    if (entry->recovering && entry->busy()) {
        entry->recovered.push_back([this, entry, early, late, op_id = current_op_id()] {
            const OpScope scope(op_id);
            try {
                open_session(entry, early, late);
            } catch (...) {
                bus::fail(*late, bus::current_error());
            }
        });
        return;
    }
    if (entry->status.state == VmState::Paused && !entry->recovering)
        throw Error(ErrorCode::FailedPrecondition, "VM " + entry->config.name.str() + " is paused",
                    "let it run again: banger vm resume " + entry->config.name.str());
    if (entry->status.state != VmState::Running || entry->recovering)
        throw Error(ErrorCode::FailedPrecondition,
                    "VM " + entry->config.name.str() + " is not running (" +
                        std::string(vm_state_name(entry->status.state)) + ")",
                    "start it: banger vm start " + entry->config.name.str());
    entry->status.last_active = now_microseconds();
    daemon::open_session(entry->status.vsock_socket, early, [late](std::variant<OwnedFd, Error> answer) {
        if (const auto* error = std::get_if<Error>(&answer))
            return bus::fail(*late, *error);
        announce([&] { late->returnResults(sdbus::UnixFd(std::get<OwnedFd>(answer).get())); });
    });
}

void Vms::wait(const EntryPtr& entry, WaitRequest wanted, const std::string& sender,
               StateWaiters::Answer answer) {
    // While the daemon is still finding out, the state is what was written down last: the truth comes soon.
    if (!entry->recovering && wanted.meets(entry->status.state))
        return answer(entry->status);
    entry->waiters.add(std::move(wanted), sender, std::move(answer));
}

void Vms::client_gone(const std::string& name) {
    for (const auto& entry : list()) {
        entry->waiters.client_gone(name);
        if (entry->tied_to != name)
            continue;
        entry->tied_to.clear();
        const Request request{OpId::make().str(), {}, false};
        const OpScope scope(request.op_id);
        log::info("the client that VM " + entry->config.name.str() + " is tied to has left");
        try {
            if (entry->config.ephemeral)
                remove(entry, true, request);
            else
                stop(entry, {}, request);
        } catch (const Error& error) {
            log::warning("cannot end VM " + entry->config.name.str() + ": " + error.message());
        }
    }
}

void Vms::shut_down() {
    ending_ = true;
    const Request request{OpId::make().str(), {}, false};
    for (const auto& entry : list()) {
        entry->cancel_starts();
        const bool goes = entry->config.ephemeral || entry->config.tied;
        try {
            if (goes && entry->config.ephemeral)
                remove(entry, true, request);
            else if (goes && is_active(entry->status.state))
                stop(entry, {std::chrono::milliseconds(0)}, request);
        } catch (const Error& error) {
            log::warning("cannot end VM " + entry->config.name.str() + ": " + error.message());
        }
    }
}

} // namespace banger::daemon
