// The gate: the one place that says yes. A call gets a Grant, which nothing else can make and without which
// no privileged function can be called, or it gets a refusal.
#pragma once

#include "base/error.hpp"
#include "bus/caller.hpp"
#include "helper/ledger.hpp"
#include "helper/limits.hpp"
#include "helper/owners.hpp"
#include "helper/polkit.hpp"
#include "helper/rules.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace banger::helper {

/// Proof that polkit said yes to `A`, for this owner, after uid and ownership were found in order.
template <Action A>
class Grant {
public:
    const install::Owner& owner() const noexcept { return owner_; }
    const std::string& op_id() const noexcept { return op_id_; }

private:
    friend class Gate;
    Grant(install::Owner owner, std::string op_id)
        : owner_(std::move(owner))
        , op_id_(std::move(op_id)) {}
    install::Owner owner_;
    std::string op_id_;
};

/// The objects that a call names.
struct Subject {
    std::optional<VmId> vm;
    std::optional<BridgeName> bridge;
    std::optional<bool> nat{}; ///< of SetNat: switched on or off; for polkit's rules
};

/// Why a call was stopped: the error for the caller, and whether the bus's own name for "polkit would ask" is
/// due.
struct Refusal {
    Error error;
    bool challenge = false;
    /// The error on the wire.
    sdbus::Error to_bus() const;
};

/// One call from its arrival to its answer; writes the one log line at its end.
class Call {
public:
    Call(bus::Caller caller, const Rule* rule)
        : caller(std::move(caller))
        , rule(rule) {}
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    bus::Caller caller;
    const Rule* rule; ///< null for a method that the table does not know
    Subject subject;
    std::string op_id;
    size_t bytes = 0;               ///< that its arguments hold, beyond the few that each has
    std::optional<uint32_t> uid;    ///< once the bus told it
    std::optional<Error> malformed; ///< what the parser said: told only once it is known who asks
    bool loud = true;               ///< false: a refusal of many alike, at debug
    std::chrono::steady_clock::time_point since = std::chrono::steady_clock::now();

    void log_success() const;
    void log_failure(const Error& error) const;

private:
    std::vector<std::pair<std::string_view, std::string>> fields(std::string_view result) const;
};

/// For the loop's thread.
class Gate {
public:
    Gate(bus::BusDriver& bus, Ledger& ledger, Polkit& polkit);

    using Refused = std::function<void(Refusal)>;

    /// Asks, in this order: the caller's uid from the bus; is it a registered owner; may it call now (rate,
    /// number); were the arguments well-formed; are the objects its own; polkit. Then looks at registration
    /// and ownership again, for polkit may have taken minutes. Exactly one of `granted` and `refused` is
    /// called, once, and not within run().
    template <Action A>
    void run(const std::shared_ptr<Call>& call, std::function<void(Grant<A>)> granted, Refused refused) {
        admit(call, A, [granted = std::move(granted), refused = std::move(refused), call](Answer answer) {
            if (auto* refusal = std::get_if<Refusal>(&answer))
                refused(std::move(*refusal));
            else
                granted(Grant<A>(std::move(std::get<install::Owner>(answer)), call->op_id));
        });
    }
    /// To be called once for each run(), when the call has its answer.
    void finished(const Call& call) noexcept;

    /// Called with the unique name of each client that leaves the bus.
    void on_caller_gone(std::function<void(const std::string&)> gone) { gone_ = std::move(gone); }

    /// Calls that are not answered yet.
    size_t pending() const noexcept { return pending_; }
    /// Called whenever pending() fell to 0.
    void on_quiet(std::function<void()> quiet) { quiet_ = std::move(quiet); }

private:
    using Answer = std::variant<install::Owner, Refusal>;
    using Decide = std::function<void(Answer)>;

    void admit(const std::shared_ptr<Call>& call, Action action, const Decide& decide);
    void with_uid(const std::string& sender, const bus::BusDriver::UidAnswer& answer);
    void check(const std::shared_ptr<Call>& call, const Decide& decide);
    void ask_polkit(const std::shared_ptr<Call>& call, const install::Owner& owner, const Decide& decide);
    install::Owner registered(const Call& call);
    void owns(const Call& call) const;
    void enter(Call& call);

    bus::BusDriver& bus_;
    Ledger& ledger_;
    Polkit& polkit_;
    Owners owners_;
    Throttle throttle_;
    std::map<std::string, uint32_t>
        uids_; ///< by unique name, which the bus never gives out twice; until it leaves
    std::map<const Call*, uint32_t> entered_;
    size_t pending_ = 0;
    size_t bytes_ = 0; ///< that the pending ones hold
    std::function<void()> quiet_;
    std::function<void(const std::string&)> gone_;
};

} // namespace banger::helper
