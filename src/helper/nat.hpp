// Who may send what, and reach beyond the host: packet filter, address translation and IP forwarding, kept as
// the ledger says.
#pragma once

#include "helper/done.hpp"
#include "helper/firewall.hpp"
#include "helper/gate.hpp"
#include "helper/lanes.hpp"
#include "helper/requests.hpp"
#include "helper/workers.hpp"

#include <string>
#include <vector>

namespace banger::helper {

/// InvalidArgument unless `address` is a guest's: inside the bridge's network, neither its first nor its last
/// address, nor the bridge's own.
void check_guest_address(const Ipv4Address& address, const Ipv4Cidr& bridge);

/// For the loop's thread.
class Nat {
public:
    Nat(Ledger& ledger, Lanes& lanes, Workers& workers);

    /// Tells what address the VM's guest has, which its tap passes from then on, and whether it may reach
    /// beyond this host. FailedPrecondition: no tap; AlreadyExists: another VM has the address.
    void perform(const Grant<Action::Network>& grant, const SetNat& request, const Done<Nothing>& done);

    /// Brings rules and forwarding to what the ledger says now. For whoever has changed it. `done` must not
    /// throw.
    void settle(const Done<Nothing>& done);
    /// What a crash left: guests whose rules were half-made are forgotten, then as settle(). Blocks; for the
    /// start.
    void mend();

private:
    struct Work;
    struct Waiting {
        Done<Nothing> done;
        std::string op_id;
    };
    void set_nat(uint32_t uid, const SetNat& request, const Turn& turn, const Done<Nothing>& done);
    void undo(const VmRecord& before, const Error& why, const Turn& turn, const Done<Nothing>& done);
    void write(const VmRecord& before, const std::optional<NatRecord>& nat);
    Work prepare();
    void finish(const Work& work);
    void settled(const Work& work, const std::vector<Waiting>& served, const Outcome<Nothing>& outcome);
    static void tell(const std::vector<Waiting>& served, const Outcome<Nothing>& outcome);

    Ledger& ledger_;
    Lanes& lanes_;
    Workers& workers_;
    std::vector<Waiting> waiting_;
};

} // namespace banger::helper
