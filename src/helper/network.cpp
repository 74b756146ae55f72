#include "helper/network.hpp"

#include "base/log.hpp"
#include "bus/errors.hpp"

#include <glib.h>

#include <algorithm>

namespace banger::helper {

namespace {

/// Of the names that tap_name() makes; other links may begin alike.
bool is_tap_name(const std::string& name) {
    return name.size() == 15 && name.starts_with("btap-") &&
           name.find_first_not_of("0123456789abcdef", 5) == name.npos;
}

Error failed(const std::string& what) {
    return {ErrorCode::FailedPrecondition, what};
}

Error not_ours(const BridgeName& name) {
    return failed("there is a link " + name.str() + " that banger did not make")
        .with_hint("remove it, or choose another bridge name in banger's configuration");
}

/// Worker's work: the bridge as its record, which is written already, says. True when it was not there.
bool make_bridge(const BridgeName& name, const Ipv4Cidr& address) {
    check_address_is_free(name, address, links::addresses());
    auto link = links::find(name.str());
    if (link && link->kind != "bridge")
        throw not_ours(name);
    const bool is_new = !link;
    if (is_new)
        links::make_bridge(name);
    link = links::find(name.str());
    if (!link)
        throw Error(ErrorCode::Internal, "bridge " + name.str() + " vanished while it was made");
    links::add_address(link->index, address);
    links::set_up(link->index);
    return is_new;
}

void remove_link(const std::string& name, const std::string& kind) {
    if (const auto link = links::find(name); link && link->kind == kind)
        links::remove(link->index);
}

void make_tap(const TapRecord& tap, const install::Owner& owner) {
    const auto& bridge = tap.bridge;
    const auto master = links::find(bridge.str());
    if (!master || master->kind != "bridge")
        throw failed("bridge " + bridge.str() + " is not there").with_hint("ensure the bridge first");
    links::make_tap(tap.name, owner.uid, owner.gid, master->index, tap.isolated);
}

bool vmm_may_run(const VmRecord& record) {
    return record.vmm && record.vmm->state != VmmState::Exited;
}

} // namespace

std::string vm_lane(uint32_t uid, const VmId& vm) {
    return "vm/" + std::to_string(uid) + "/" + vm.str();
}

std::string bridge_lane(const BridgeName& name) {
    return "bridge/" + name.str();
}

TapName tap_name(uint32_t uid, const VmId& vm) {
    const auto text = std::to_string(uid) + "/" + vm.str();
    const std::unique_ptr<gchar, void (*)(void*)> hash(
        g_compute_checksum_for_string(G_CHECKSUM_SHA256, text.data(), static_cast<gssize>(text.size())),
        g_free);
    return TapName::parse("btap-" + std::string(hash.get(), 10));
}

void check_address_is_free(const BridgeName& bridge, const Ipv4Cidr& address,
                           const std::vector<links::Neighbour>& others) {
    for (const auto& other : others)
        if (other.link != bridge.str() && address.overlaps(other.address))
            throw failed("the network of " + address.str() + " overlaps with " + other.address.str() +
                         " of " + other.link)
                .with_hint("choose another network for the bridge in banger's configuration");
}

Network::Network(Ledger& ledger, Lanes& lanes, Workers& workers, Nat& nat, Resolver& resolver)
    : ledger_(ledger)
    , lanes_(lanes)
    , workers_(workers)
    , nat_(nat)
    , resolver_(resolver) {}

void Network::perform(const Grant<Action::Network>& grant, const EnsureBridge& request,
                      const Done<Nothing>& done) {
    lanes_.enter(bridge_lane(request.bridge), [=, this, uid = grant.owner().uid](const Turn& turn) {
        guarded(done, [&] { ensure_bridge(uid, request, turn, done); });
    });
}

void Network::ensure_bridge(uint32_t uid, const EnsureBridge& request, const Turn& turn,
                            const Done<Nothing>& done) {
    const auto* known = ledger_.bridge(request.bridge);
    if (known && known->uid != uid) // made by another while this call waited for its turn
        throw Error(ErrorCode::NotAuthorized, "bridge " + request.bridge.str() + " is not yours");
    if (known && known->address != request.address)
        throw failed("bridge " + request.bridge.str() + " has the address " + known->address.str())
            .with_hint("delete the bridge first to give it another");
    if (!known && ledger_.count_bridges_of(uid) >= bridges_per_owner)
        throw failed("you have " + std::to_string(bridges_per_owner) + " bridges, which is the limit");
    // Before the record: a link of that name which is there now was not made by banger, and no mending may
    // touch it.
    if (!known && links::find(request.bridge.str()))
        throw not_ours(request.bridge);
    const bool is_new = known == nullptr;
    const auto record = is_new ? BridgeRecord{uid, request.bridge, request.address, Step::Making} : *known;
    if (is_new)
        ledger_.put(record);
    // The packet filter first: no guest is ever without it.
    nat_.settle([=, this](Outcome<Nothing> outcome) {
        guarded(done, [&] {
            if (const auto* error = std::get_if<Error>(&outcome))
                return bridge_failed(record, is_new, *error, turn, done);
            workers_.run<bool>(
                uid, [record] { return make_bridge(record.bridge, record.address); },
                [=, this](Outcome<bool> made) {
                    guarded(done, [&] {
                        if (const auto* error = std::get_if<Error>(&made))
                            return bridge_failed(record, is_new, *error, turn, done);
                        auto written = record;
                        written.step = Step::Made;
                        if (std::get<bool>(made)) // what the resolver knew of an earlier link
                            written.resolver.reset();
                        ledger_.put(written);
                        done(Nothing{});
                    });
                });
        });
    });
}

/// Takes back what was new; the answer is the error that led here.
void Network::bridge_failed(const BridgeRecord& record, bool is_new, const Error& why, const Turn& turn,
                            const Done<Nothing>& done) {
    if (!is_new)
        return done(why);
    remove_bridge(record, [why, turn, done](const Outcome<Nothing>& removed) {
        if (const auto* error = std::get_if<Error>(&removed))
            log::warning("cannot take back a bridge: " + error->message());
        done(why);
    });
}

/// The link, its rules, its record. For whoever holds the bridge's turn.
void Network::remove_bridge(BridgeRecord record, const Done<Nothing>& done) {
    record.step = Step::Removing;
    ledger_.put(record);
    workers_.run<Nothing>(
        record.uid,
        [name = record.bridge.str()] {
            remove_link(name, "bridge");
            return Nothing{};
        },
        [=, this](Outcome<Nothing> removed) {
            if (std::holds_alternative<Error>(removed))
                return done(std::move(removed));
            guarded(done, [&] {
                nat_.settle([=, this](Outcome<Nothing> outcome) {
                    guarded(done, [&] {
                        if (!std::holds_alternative<Error>(outcome))
                            ledger_.erase(record.bridge);
                        done(std::move(outcome));
                    });
                });
            });
        });
}

void Network::perform(const Grant<Action::Network>& grant, const DeleteBridge& request,
                      const Done<Nothing>& done) {
    lanes_.enter(bridge_lane(request.bridge), [this, owner = grant.owner(), request, done](const Turn& turn) {
        guarded(done, [&] {
            const auto* known = ledger_.bridge(request.bridge);
            if (!known)
                return done(Nothing{});
            if (known->uid != owner.uid)
                throw Error(ErrorCode::NotAuthorized, "bridge " + request.bridge.str() + " is not yours");
            if (const auto taps = ledger_.count_taps_on(request.bridge))
                throw failed("bridge " + request.bridge.str() + " has " + std::to_string(taps) + " tap(s)")
                    .with_hint("clean up the VMs that use it first");
            // Before the link goes, by whose number the resolver knows it.
            resolver_.forget(*known, [this, record = *known, turn, done](const Outcome<Nothing>&) {
                guarded(done, [&] {
                    remove_bridge(record,
                                  [turn, done](Outcome<Nothing> outcome) { done(std::move(outcome)); });
                });
            });
        });
    });
}

void Network::perform(const Grant<Action::Network>& grant, const CreateTap& request,
                      const Done<TapName>& done) {
    // First the VM's turn, then the bridge's; nobody takes them in the other order.
    lanes_.enter(vm_lane(grant.owner().uid, request.vm), [=, this, owner = grant.owner()](const Turn& turn) {
        lanes_.enter(bridge_lane(request.bridge), [=, this](const Turn& bridge_turn) {
            const auto both = std::make_shared<std::pair<Turn, Turn>>(turn, bridge_turn);
            guarded(done, [&] { create_tap(owner, request, both, done); });
        });
    });
}

void Network::create_tap(const install::Owner& owner, const CreateTap& request, const Turn& turn,
                         const Done<TapName>& done) {
    const auto* bridge = ledger_.bridge(request.bridge);
    if (!bridge || bridge->uid != owner.uid || bridge->step != Step::Made)
        throw Error(ErrorCode::NotFound, "you have no bridge " + request.bridge.str(),
                    "ensure the bridge first");
    const auto name = tap_name(owner.uid, request.vm);
    const auto* holder = ledger_.tap_holder(name);
    if (holder && (holder->uid != owner.uid || holder->vm != request.vm))
        throw Error(ErrorCode::AlreadyExists, "the name of the tap is taken", "give the VM another id");
    const auto* known = ledger_.vm(owner.uid, request.vm);
    if (!known && ledger_.count_vms_of(owner.uid) >= vms_per_owner)
        throw failed("you have " + std::to_string(vms_per_owner) + " VMs, which is the limit");
    auto record = known ? *known : VmRecord{owner.uid, request.vm, {}, {}, {}};
    if (record.tap && record.tap->bridge != request.bridge)
        throw failed("the VM's tap is on bridge " + record.tap->bridge.str())
            .with_hint("delete the tap first");
    // A running VMM holds the tap: it is there, and attaching to it once more would fail.
    if (record.tap && record.tap->step == Step::Made && vmm_may_run(record)) {
        if (record.tap->isolated != request.isolated)
            throw failed("the VM's VMM is running").with_hint("kill it first to change the tap");
        return done(name);
    }
    record.tap = TapRecord{name, request.bridge, Step::Making, request.isolated};
    ledger_.put(record);
    workers_.run<Nothing>(
        owner.uid,
        [tap = *record.tap, owner] {
            try {
                make_tap(tap, owner);
            } catch (...) {
                remove_link(tap.name.str(), "tun");
                throw;
            }
            return Nothing{};
        },
        [this, record, turn, done](Outcome<Nothing> outcome) mutable {
            guarded(done, [&] { tap_made(record, std::move(outcome), turn, done); });
        });
}

/// Writes down what came of it. A tap that had a guest before may be isolated now, or gone: the packet filter
/// follows.
void Network::tap_made(VmRecord record, Outcome<Nothing> outcome, const Turn& turn,
                       const Done<TapName>& done) {
    const auto name = record.tap->name;
    const bool had_guest = record.nat.has_value();
    if (std::holds_alternative<Error>(outcome)) {
        record.tap.reset();
        record.nat.reset();
    } else {
        record.tap->step = Step::Made;
    }
    ledger_.put(record);
    const auto answer = [name, turn, done](const Outcome<Nothing>& all) {
        if (const auto* error = std::get_if<Error>(&all))
            done(*error);
        else
            done(name);
    };
    if (!had_guest)
        return answer(outcome);
    nat_.settle([answer, outcome](const Outcome<Nothing>& settled) {
        answer(std::holds_alternative<Error>(outcome) ? outcome : settled);
    });
}

void Network::perform(const Grant<Action::Network>& grant, const DeleteTap& request,
                      const Done<Nothing>& done) {
    lanes_.enter(vm_lane(grant.owner().uid, request.vm), [=, this, owner = grant.owner()](const Turn& turn) {
        guarded(done, [&] {
            const auto* known = ledger_.vm(owner.uid, request.vm);
            if (!known || !known->tap)
                return done(Nothing{});
            if (vmm_may_run(*known))
                throw failed("the VM's VMM is running").with_hint("kill it first");
            remove_tap(*known, [turn, done](Outcome<Nothing> outcome) { done(std::move(outcome)); });
        });
    });
}

void Network::remove_tap(const VmRecord& before, const Done<Nothing>& done) {
    auto record = before;
    record.tap->step = Step::Removing;
    if (record.nat)
        record.nat->step = Step::Removing;
    ledger_.put(record);
    const Done<Nothing> removed = [this, record, done](Outcome<Nothing> outcome) {
        guarded(done, [&] {
            if (!std::holds_alternative<Error>(outcome)) {
                auto without = record;
                without.tap.reset();
                without.nat.reset();
                ledger_.put(without);
            }
            done(std::move(outcome));
        });
    };
    workers_.run<Nothing>(
        record.uid,
        [name = record.tap->name.str()] {
            remove_link(name, "tun");
            return Nothing{};
        },
        [this, had_guest = record.nat.has_value(), removed](Outcome<Nothing> outcome) {
            if (std::holds_alternative<Error>(outcome) || !had_guest)
                return removed(std::move(outcome));
            guarded(removed, [&] { nat_.settle(removed); });
        });
}

void Network::mend() {
    mend_taps();
    mend_bridges();
    nat_.mend();
    resolver_.mend();
}

void Network::mend_bridges() {
    for (const auto& record : ledger_.bridges()) {
        if (record.step == Step::Made)
            continue;
        log::notice("removing the half-made bridge " + record.bridge.str());
        remove_link(record.bridge.str(), "bridge");
        ledger_.erase(record.bridge);
    }
}

void Network::mend_taps() {
    for (auto record : ledger_.vms()) {
        if (!record.tap || record.tap->step == Step::Made)
            continue;
        log::notice("removing the half-made tap " + record.tap->name.str(), {{"VM_ID", record.vm.str()}});
        remove_link(record.tap->name.str(), "tun");
        record.tap.reset();
        record.nat.reset();
        ledger_.put(record);
    }
    for (const auto& name : links::names_of_kind("tun")) {
        if (!is_tap_name(name) || ledger_.tap_holder(TapName::parse(name)))
            continue;
        log::warning("removing the tap " + name + ", which no record knows");
        remove_link(name, "tun");
    }
}

} // namespace banger::helper
