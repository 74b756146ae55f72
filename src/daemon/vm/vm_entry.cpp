#include "daemon/vm/vm_entry.hpp"

#include <algorithm>

namespace banger::daemon {

void VmEntry::enqueue(Operation operation) {
    queue_.push_back(std::move(operation));
    schedule();
}

void VmEntry::enqueue_front(Operation operation) {
    queue_.push_front(std::move(operation));
    schedule();
}

void VmEntry::finished() {
    current_.reset();
    schedule();
}

/// Never at once: what begins may remove the very object whose handler is running.
void VmEntry::schedule() {
    if (scheduled_ || current_ || queue_.empty())
        return;
    scheduled_ = true;
    loop_.post([self = shared_from_this()] {
        self->scheduled_ = false;
        self->pump();
    });
}

void VmEntry::pump() {
    if (current_ || queue_.empty())
        return;
    current_ = std::move(queue_.front());
    queue_.pop_front();
    const auto begin = current_->begin; // a copy: it may end the operation, and with it this
    begin();
}

bool VmEntry::only_cleaning() const noexcept {
    return current_ && current_->kind == OpKind::Cleanup &&
           std::all_of(queue_.begin(), queue_.end(),
                       [](const Operation& operation) { return operation.kind == OpKind::Cleanup; });
}

void VmEntry::become(OpKind kind, std::shared_ptr<Job> job) {
    current_->kind = kind;
    current_->job = std::move(job);
}

bool VmEntry::end_is_waiting() const noexcept {
    return std::any_of(queue_.begin(), queue_.end(), [](const Operation& operation) {
        return operation.kind == OpKind::Stop || operation.kind == OpKind::Kill ||
               operation.kind == OpKind::Delete;
    });
}

void VmEntry::cancel_starts() {
    const auto cancel = [](const Operation& operation) {
        if ((operation.kind == OpKind::Start || operation.kind == OpKind::Restart) && operation.job)
            operation.job->request_stop();
    };
    if (current_)
        cancel(*current_);
    std::for_each(queue_.begin(), queue_.end(), cancel);
}

void VmEntry::hurry_stop() {
    const auto hurry = [](Operation& operation) {
        if (operation.kind == OpKind::Stop || operation.kind == OpKind::Restart)
            operation.hurry.request_stop();
    };
    if (current_)
        hurry(*current_);
    std::for_each(queue_.begin(), queue_.end(), hurry);
}

} // namespace banger::daemon
