#include "base/log.hpp"
#include "daemon/vm/recovery.hpp"
#include "daemon/vm/vms.hpp"

#include <algorithm>

namespace banger::daemon {

JobPtr Vms::remove(const EntryPtr& entry, bool force, const Request& request) {
    if (entry->config.is_protected)
        throw Error(ErrorCode::FailedPrecondition, "VM " + entry->config.name.str() + " is protected",
                    "take the protection away first: banger vm protect --off " + entry->config.name.str());
    if (!force && is_active(entry->status.state))
        throw Error(ErrorCode::FailedPrecondition,
                    "VM " + entry->config.name.str() + " is " +
                        std::string(vm_state_name(entry->status.state)),
                    "stop it first, or delete it with --force");
    const auto job = make_job("vm-delete", request, false);
    doom(*entry);
    enqueue_delete(entry, job);
    return job;
}

/// From here on it only goes away: its name is free, starts are taken back, whatever stops it hurries.
void Vms::doom(VmEntry& entry) {
    advance(entry, VmEvent::Delete, entry.status.ending);
    entry.cancel_starts();
    entry.hurry_stop();
}

void Vms::enqueue_delete(const EntryPtr& entry, const JobPtr& job) {
    if (entry->only_cleaning() &&
        !entry->pidfd) { // no need to wait for that; but the handler that called us must end first
        tools_.loop.post([this, entry, job, op_id = current_op_id()] {
            const OpScope scope(op_id);
            leave(entry, job);
        });
        return;
    }
    entry->enqueue({.kind = OpKind::Delete, .job = job, .begin = [this, entry, job] {
                        const OpScope scope(job ? job->spec().op_id : OpId::make().str());
                        begin_delete(entry, job);
                    }});
}

void Vms::begin_delete(const EntryPtr& entry, const JobPtr& job) {
    if (!entry->pidfd)
        return end_delete(entry, job);
    entry->exit_watch.cancel();
    const auto plan = plan_stop(*entry, std::chrono::milliseconds(0));
    const auto sink = job ? tools_.jobs.step_sink(job) : StepSink();
    tools_.crew.run<StopResult>(
        {current_op_id(), job && job->spec().interactive, {}},
        [plan, sink](HelperClient& helper, const std::stop_token& stop) {
            Steps steps(sink, stop);
            return stop_vmm(plan, helper, steps, {});
        },
        [this, entry, job](Outcome<StopResult> outcome) {
            if (const auto* error = std::get_if<Error>(&outcome)) {
                if (job)
                    job->fail(*error);
                enqueue_cleanup(entry); // which kills, too, and is tried until it succeeds
                return entry->finished();
            }
            end_delete(entry, job);
        });
}

void Vms::end_delete(const EntryPtr& entry, const JobPtr& job) {
    leave(entry, job);
    entry->finished();
}

/// No VMM any more: for everybody outside it is gone. What remains of it goes in the background.
void Vms::leave(const EntryPtr& entry, const JobPtr& job) {
    forget_vmm(*entry);
    entry->object.reset();
    entry->waiters.fail(Error(ErrorCode::NotFound, "VM " + entry->config.name.str() + " is deleted"));
    recovery_over(*entry);
    if (entries_.contains(entry->config.id.str()))
        enqueue_cleanup(entry);
    if (job)
        job->succeed(result_of(*entry));
}

void Vms::enqueue_cleanup(const EntryPtr& entry) {
    entry->enqueue_front(
        {.kind = OpKind::Cleanup, .job = nullptr, .begin = [this, entry, op_id = current_op_id()] {
             const OpScope scope(op_id);
             begin_cleanup(entry);
         }});
}

void Vms::begin_cleanup(const EntryPtr& entry) {
    const bool all = entry->status.state == VmState::Deleting;
    tools_.crew.run<Nothing>(
        {current_op_id(), false, {}},
        [id = entry->config.id, paths = entry->paths, held = entry->needs_cleanup,
         all](HelperClient& helper, const std::stop_token&) {
            clean_up(id, paths, held, all, helper);
            return Nothing{};
        },
        [this, entry, all](const Outcome<Nothing>& outcome) { cleaned_up(entry, all, outcome); });
}

void Vms::cleaned_up(const EntryPtr& entry, bool all, const Outcome<Nothing>& outcome) {
    if (const auto told = all ? std::exchange(entry->on_gone, {}) : nullptr)
        told(outcome);
    try {
        if (const auto* error = std::get_if<Error>(&outcome))
            throw Error(*error);
        entry->needs_cleanup = false;
        entry->retries = 0;
        if (all) { // also where a VMM that could not be stopped has kept it there
            entry->object.reset();
            entry->waiters.fail(Error(ErrorCode::NotFound, "VM " + entry->config.name.str() + " is deleted"));
            tools_.store.remove(entry->config.id);
            entries_.erase(entry->config.id.str());
        }
    } catch (const Error& error) {
        if (entry->retries == 0)
            log::warning("cannot clean up after VM " + entry->config.id.str() + ": " + error.message() +
                         "; it is tried again");
        retry_later(entry, [this, entry] { enqueue_cleanup(entry); });
    }
    entry->finished();
}

/// After 1, 2, 4 … 64 s.
void Vms::retry_later(const EntryPtr& entry, std::function<void()> task) {
    if (ending_)
        return;
    const auto wait = std::chrono::seconds(1) * (1 << std::min(entry->retries++, 6U));
    entry->retry = Timer(wait, [task = std::move(task)] {
        const OpScope scope(OpId::make().str());
        task();
        return false;
    });
}

} // namespace banger::daemon
