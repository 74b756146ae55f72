#include "helper/nat.hpp"

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/op_id.hpp"
#include "helper/network.hpp"
#include "helper/nft.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <utility>

namespace banger::helper {

namespace {

constexpr const char* forward_file = "/proc/sys/net/ipv4/ip_forward";
constexpr const char* lane = "nat";

bool is_forwarding() {
    return read_file(forward_file, 16).starts_with('1');
}

void set_forwarding(bool on) {
    const OwnedFd file(::open(forward_file, O_WRONLY | O_CLOEXEC));
    if (!file || ::write(file.get(), on ? "1" : "0", 1) != 1)
        throw errno_error(std::string("switch IP forwarding ") + (on ? "on" : "off"), errno)
            .with_hint("set net.ipv4.ip_forward=1 in a file in /etc/sysctl.d, or make the VM without NAT");
}

/// Tables of the iptables of old, which nftables does not show (iptables-legacy).
bool has_legacy_nat() {
    try {
        return read_file("/proc/net/ip_tables_names", 4096).find("nat") != std::string::npos;
    } catch (const Error&) {
        return false; // no such kernel part
    }
}

firewall::Found look(Nft& nft) {
    auto found = firewall::parse_chains(nft.list("list chains"));
    if (found.ip_table && found.bridge_table)
        firewall::parse_tables(nft.list("list table ip banger"), nft.list("list table bridge banger"), found);
    if (found.has_forward)
        firewall::parse_forward(nft.list("list chain ip filter FORWARD"), found);
    return found;
}

} // namespace

/// One settling, as values: made in the loop, done by a worker, noted in the loop.
struct Nat::Work {
    firewall::Wanted wanted;
    bool switch_on = false;
    bool give_back = false;

    void run() const {
        Nft nft;
        const auto found = look(nft);
        if (const auto commands = firewall::plan(found, wanted); !commands.empty())
            nft.run(commands);
        // Only now: whatever is forwarded passes the rules.
        if (switch_on) {
            set_forwarding(true);
            for (const auto& chain : found.droppers)
                log::warning(
                    "the chain " + chain +
                    " drops what it does not know: guests reach the outside only if it accepts them");
        }
        if (!give_back || !is_forwarding())
            return;
        if (found.others_nat || has_legacy_nat())
            log::info("IP forwarding stays on: others on this host translate addresses");
        else
            set_forwarding(false);
    }
};

void check_guest_address(const Ipv4Address& address, const Ipv4Cidr& bridge) {
    const auto refuse = [&](const std::string& why) {
        throw Error(ErrorCode::InvalidArgument, address.str() + " " + why,
                    "a guest's address is a free one inside the bridge's network, " + bridge.str());
    };
    if (!bridge.contains(address))
        refuse("is not inside the bridge's network");
    if (address == bridge.address())
        refuse("is the bridge's own address");
    if (bridge.prefix() < 31 && (address == bridge.network() || address == bridge.broadcast()))
        refuse("is no host's address");
}

Nat::Nat(Ledger& ledger, Lanes& lanes, Workers& workers)
    : ledger_(ledger)
    , lanes_(lanes)
    , workers_(workers) {}

/// What the ledger asks for. That forwarding is about to be switched is written down before.
Nat::Work Nat::prepare() {
    std::vector<BridgeName> bridges;
    for (const auto& bridge : ledger_.bridges())
        if (bridge.step != Step::Removing)
            bridges.push_back(bridge.bridge);
    std::vector<firewall::Guest> guests;
    for (const auto& vm : ledger_.vms())
        if (vm.tap && vm.nat && vm.nat->step != Step::Removing)
            guests.push_back({vm.tap->name, vm.tap->bridge, vm.nat->address, vm.nat->on, !vm.tap->isolated});
    Work work;
    work.wanted = firewall::wanted(bridges, guests);
    const bool ours = ledger_.forwarding().has_value();
    work.switch_on = work.wanted.nat && !is_forwarding();
    work.give_back = !work.wanted.nat && ours;
    if (work.switch_on || work.give_back)
        ledger_.put(ForwardingRecord{work.switch_on ? Step::Making : Step::Removing});
    return work;
}

void Nat::finish(const Work& work) {
    if (work.switch_on)
        ledger_.put(ForwardingRecord{Step::Made});
    if (work.give_back)
        ledger_.erase_forwarding();
}

void Nat::settle(const Done<Nothing>& done) {
    waiting_.push_back({done, current_op_id()});
    lanes_.enter(lane, [this](const Turn& turn) {
        // One settling serves all who wait for a turn: each has changed the ledger before it asked.
        if (waiting_.empty())
            return;
        const auto served = std::make_shared<std::vector<Waiting>>(std::exchange(waiting_, {}));
        try {
            const auto work = std::make_shared<Work>(prepare());
            // Of no single owner: it settles the rules of all.
            workers_.run<Nothing>(
                0,
                [work] {
                    work->run();
                    return Nothing{};
                },
                [this, work, served, turn](const Outcome<Nothing>& outcome) {
                    settled(*work, *served, outcome);
                });
        } catch (...) {
            tell(*served, bus::current_error());
        }
    });
}

void Nat::settled(const Work& work, const std::vector<Waiting>& served, const Outcome<Nothing>& outcome) {
    try {
        if (!std::holds_alternative<Error>(outcome))
            finish(work);
    } catch (...) {
        return tell(served, bus::current_error());
    }
    tell(served, outcome);
}

void Nat::tell(const std::vector<Waiting>& served, const Outcome<Nothing>& outcome) {
    for (const auto& [done, op_id] : served) {
        const OpScope scope(op_id);
        done(outcome);
    }
}

void Nat::perform(const Grant<Action::Network>& grant, const SetNat& request, const Done<Nothing>& done) {
    lanes_.enter(vm_lane(grant.owner().uid, request.vm),
                 [=, this, uid = grant.owner().uid](const Turn& turn) {
                     guarded(done, [&] { set_nat(uid, request, turn, done); });
                 });
}

void Nat::set_nat(uint32_t uid, const SetNat& request, const Turn& turn, const Done<Nothing>& done) {
    const auto* known = ledger_.vm(uid, request.vm);
    if (!known || !known->tap || known->tap->step != Step::Made)
        throw Error(ErrorCode::FailedPrecondition, "the VM has no tap", "create the tap first");
    const auto* bridge = ledger_.bridge(known->tap->bridge);
    if (!bridge || bridge->step != Step::Made)
        throw Error(ErrorCode::FailedPrecondition, "the bridge of the VM's tap is not there",
                    "ensure the bridge first");
    check_guest_address(request.address, bridge->address);
    const auto* holder = ledger_.address_holder(request.address);
    if (holder && (holder->uid != uid || holder->vm != request.vm))
        throw Error(ErrorCode::AlreadyExists, "another VM has the address " + request.address.str(),
                    "choose a free one");
    const auto before = *known;
    write(before, NatRecord{request.address, request.on, Step::Making});
    settle([=, this](const Outcome<Nothing>& outcome) {
        guarded(done, [&] {
            if (const auto* error = std::get_if<Error>(&outcome))
                return undo(before, *error, turn, done);
            write(before, NatRecord{request.address, request.on, Step::Made});
            done(Nothing{});
        });
    });
}

/// Into the VM's record as it is now: its VMM may have ended meanwhile.
void Nat::write(const VmRecord& before, const std::optional<NatRecord>& nat) {
    const auto* now = ledger_.vm(before.uid, before.vm);
    auto record = now ? *now : before;
    record.nat = nat;
    ledger_.put(record);
}

/// Back to what was before; the answer is the error that led here.
void Nat::undo(const VmRecord& before, const Error& why, const Turn& turn, const Done<Nothing>& done) {
    write(before, before.nat);
    settle([why, turn, done](const Outcome<Nothing>& undone) {
        if (const auto* error = std::get_if<Error>(&undone))
            log::warning("cannot take back the rules of a guest: " + error->message());
        done(why);
    });
}

void Nat::mend() {
    for (auto record : ledger_.vms()) {
        if (!record.nat || (record.nat->step == Step::Made && record.tap))
            continue;
        log::notice("forgetting the half-made rules of a guest", {{"VM_ID", record.vm.str()}});
        record.nat.reset();
        ledger_.put(record);
    }
    try {
        const auto work = prepare();
        work.run();
        finish(work);
    } catch (const Error& error) {
        // The next change tries again, and its caller is told.
        log::error("cannot bring the packet filter to what the ledger says: " + error.message());
    }
}

} // namespace banger::helper
