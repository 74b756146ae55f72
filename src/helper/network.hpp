// Bridges and taps, done for those who hold a Grant.
#pragma once

#include "helper/done.hpp"
#include "helper/gate.hpp"
#include "helper/lanes.hpp"
#include "helper/links.hpp"
#include "helper/nat.hpp"
#include "helper/requests.hpp"
#include "helper/resolver.hpp"
#include "helper/workers.hpp"

#include <functional>
#include <string>

namespace banger::helper {

/// The tap of this owner's VM: `btap-` and ten hex digits of SHA-256("uid/vm").
TapName tap_name(uint32_t uid, const VmId& vm);
/// FailedPrecondition when the address's network overlaps with one of `others` that is not the bridge's own.
void check_address_is_free(const BridgeName& bridge, const Ipv4Cidr& address,
                           const std::vector<links::Neighbour>& others);

/// For the loop's thread; what is slow is done by workers. `done` is called once, in the loop.
class Network {
public:
    Network(Ledger& ledger, Lanes& lanes, Workers& workers, Nat& nat, Resolver& resolver);

    void perform(const Grant<Action::Network>& grant, const EnsureBridge& request, const Done<Nothing>& done);
    void perform(const Grant<Action::Network>& grant, const DeleteBridge& request, const Done<Nothing>& done);
    void perform(const Grant<Action::Network>& grant, const CreateTap& request, const Done<TapName>& done);
    void perform(const Grant<Action::Network>& grant, const DeleteTap& request, const Done<Nothing>& done);

    /// Removes the tap of the record's VM, and the tap from the record. For whoever holds the VM's turn and a
    /// grant for it.
    void remove_tap(const VmRecord& record, const Done<Nothing>& done);
    /// What a crash left: half-made and half-removed bridges and taps, taps that no record knows, and what
    /// Nat and Resolver mend. Blocks; for the start.
    void mend();

private:
    void ensure_bridge(uint32_t uid, const EnsureBridge& request, const Turn& turn,
                       const Done<Nothing>& done);
    void create_tap(const install::Owner& owner, const CreateTap& request, const Turn& turn,
                    const Done<TapName>& done);
    void bridge_failed(const BridgeRecord& record, bool is_new, const Error& why, const Turn& turn,
                       const Done<Nothing>& done);
    void remove_bridge(BridgeRecord record, const Done<Nothing>& done);
    void tap_made(VmRecord record, Outcome<Nothing> outcome, const Turn& turn, const Done<TapName>& done);
    void mend_bridges();
    void mend_taps();

    Ledger& ledger_;
    Lanes& lanes_;
    Workers& workers_;
    Nat& nat_;
    Resolver& resolver_;
};

/// The lanes' keys.
std::string vm_lane(uint32_t uid, const VmId& vm);
std::string bridge_lane(const BridgeName& name);

} // namespace banger::helper
