#include "helper/gate.hpp"

#include "base/log.hpp"
#include "base/op_id.hpp"
#include "bus/errors.hpp"

#include <algorithm>
#include <string>

namespace banger::helper {

namespace {

constexpr auto challenge_name = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired";
/// Calls of all senders together, before it is known who they are.
constexpr size_t most_pending = 1024;

Refusal refusal_for(Verdict verdict, const std::string& action) {
    switch (verdict) {
    case Verdict::Challenge:
        return {{ErrorCode::NotAuthorized, "polkit requires authentication for " + action}, true};
    case Verdict::Dismissed:
        return {{ErrorCode::AuthorizationDismissed, "the authentication for " + action + " was dismissed"}};
    case Verdict::Timeout:
        return {{ErrorCode::Timeout, "polkit did not answer about " + action + " in time",
                 "is polkit's service well? `systemctl status polkit` tells"}};
    case Verdict::CallerGone:
        return {{ErrorCode::Cancelled, "the caller has left the bus"}};
    case Verdict::Unavailable:
        return {{ErrorCode::Unavailable, "polkit cannot be asked about " + action,
                 "is polkit's service well? `systemctl status polkit` tells"}};
    case Verdict::Yes:
    case Verdict::No:
        break;
    }
    return {{ErrorCode::NotAuthorized, "polkit does not authorise " + action,
             "an administrator decides that with polkit rules; see banger-helper(8)"}};
}

} // namespace

sdbus::Error Refusal::to_bus() const {
    auto wire = bus::to_bus(error);
    if (challenge)
        return {bus::ErrorName(challenge_name), wire.getMessage()};
    return wire;
}

std::vector<std::pair<std::string_view, std::string>> Call::fields(std::string_view result) const {
    const auto took =
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - since);
    log::Fields fields{{"RESULT", std::string(result)},
                       {"CALLER_UID", uid ? std::to_string(*uid) : "unknown"},
                       {"METHOD", caller.method},
                       {"ACTION", std::string(rule ? polkit_action(rule->action) : "none")},
                       {"DURATION_US", std::to_string(took.count())}};
    if (subject.vm)
        fields.emplace_back("VM_ID", subject.vm->str());
    if (subject.bridge)
        fields.emplace_back("BRIDGE", subject.bridge->str());
    return fields;
}

void Call::log_success() const {
    const OpScope scope(op_id);
    log::write(rule && rule->changes ? log::Level::Info : log::Level::Debug, caller.method + ": done",
               fields("ok"));
}

void Call::log_failure(const Error& error) const {
    const OpScope scope(op_id);
    log::write(loud ? log::Level::Warning : log::Level::Debug, caller.method + ": " + error.message(),
               fields(error_kind(error.code()).name));
}

Gate::Gate(bus::BusDriver& bus, Ledger& ledger, Polkit& polkit)
    : bus_(bus)
    , ledger_(ledger)
    , polkit_(polkit) {
    bus_.on_client_gone([this](const std::string& name) {
        uids_.erase(name);
        polkit_.caller_gone(name);
        if (gone_)
            gone_(name);
    });
}

void Gate::admit(const std::shared_ptr<Call>& call, Action action, const Decide& decide) {
    ++pending_;
    bytes_ += call->bytes;
    if (!call->rule || call->rule->action != action)
        return decide(Refusal{{ErrorCode::NotAuthorized, "the gate does not know " + call->caller.method}});
    if (pending_ > most_pending || bytes_ > bytes_of_all)
        return decide(Refusal{{ErrorCode::Busy, "too many calls are under way"}});
    with_uid(call->caller.sender, [this, call, decide](std::variant<uint32_t, Error> answer) {
        try {
            if (const auto* error = std::get_if<Error>(&answer))
                return decide(Refusal{
                    {ErrorCode::NotAuthorized, "the bus does not know the caller: " + error->message()}});
            call->uid = std::get<uint32_t>(answer);
            check(call, decide);
        } catch (...) {
            decide(Refusal{bus::current_error()});
        }
    });
}

void Gate::with_uid(const std::string& sender, const bus::BusDriver::UidAnswer& answer) {
    const auto known = uids_.find(sender);
    if (known != uids_.end())
        return answer(known->second);
    bus_.ask_uid(sender, [this, sender, answer](std::variant<uint32_t, Error> told) {
        if (const auto* uid = std::get_if<uint32_t>(&told))
            uids_[sender] = *uid;
        answer(std::move(told));
    });
}

void Gate::check(const std::shared_ptr<Call>& call, const Decide& decide) {
    const auto owner = registered(*call);
    enter(*call);
    if (call->malformed)
        throw Error(*call->malformed);
    owns(*call);
    ask_polkit(call, owner, decide);
}

install::Owner Gate::registered(const Call& call) {
    if (auto owner = owners_.find(*call.uid))
        return *owner;
    throw Error(ErrorCode::NotAuthorized, "uid " + std::to_string(*call.uid) + " is not a registered owner",
                "an administrator registers it: banger system install --owner USER");
}

void Gate::enter(Call& call) {
    const auto now = Throttle::Clock::now();
    try {
        throttle_.enter(*call.uid, call.bytes, now);
    } catch (const Error&) {
        call.loud = throttle_.worth_a_warning(*call.uid, now);
        throw;
    }
    entered_.emplace(&call, *call.uid);
}

void Gate::owns(const Call& call) const {
    const auto owned = call.rule->owned;
    const bool needs_vm = owned == Owned::Vm || owned == Owned::VmAndBridge;
    const bool needs_bridge = owned == Owned::Bridge || owned == Owned::VmAndBridge;
    if (needs_vm != call.subject.vm.has_value() || needs_bridge != call.subject.bridge.has_value())
        throw Error(ErrorCode::Internal, call.caller.method + " does not name what its rule says");
    if (!needs_bridge)
        return; // a VM is looked up under the caller's uid: it cannot be another's
    const auto* bridge = ledger_.bridge(*call.subject.bridge);
    if (bridge && bridge->uid != *call.uid)
        throw Error(ErrorCode::NotAuthorized, "bridge " + call.subject.bridge->str() + " is not yours");
}

void Gate::ask_polkit(const std::shared_ptr<Call>& call, const install::Owner& owner, const Decide& decide) {
    PolkitQuestion question;
    question.sender = call->caller.sender;
    question.action = polkit_action(call->rule->action);
    question.interactive = call->caller.interactive;
    question.details = {{"vm", call->subject.vm ? call->subject.vm->str() : ""},
                        {"owner", owner.name},
                        {"method", call->caller.method}};
    if (call->subject.bridge)
        question.details["bridge"] = call->subject.bridge->str();
    if (call->subject.nat)
        question.details["nat"] = *call->subject.nat ? "on" : "off";
    const auto action = question.action;
    polkit_.ask(std::move(question), [this, call, action, decide](Verdict verdict) {
        try {
            if (verdict != Verdict::Yes)
                return decide(refusal_for(verdict, action));
            const auto still = registered(*call);
            owns(*call);
            decide(still);
        } catch (...) {
            decide(Refusal{bus::current_error()});
        }
    });
}

void Gate::finished(const Call& call) noexcept {
    if (const auto found = entered_.find(&call); found != entered_.end()) {
        throttle_.leave(found->second, call.bytes);
        entered_.erase(found);
    }
    bytes_ -= std::min(bytes_, call.bytes);
    if (pending_ > 0 && --pending_ == 0 && quiet_)
        quiet_();
}

} // namespace banger::helper
