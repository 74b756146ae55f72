// Names of VMs on this host: systemd-resolved is told to send look-ups of NAME.vm, and nothing else, to the
// owner's name server, by the bridge (org.freedesktop.resolve1(5)).
#pragma once

#include "bus/compat.hpp"
#include "helper/done.hpp"
#include "helper/gate.hpp"
#include "helper/lanes.hpp"
#include "helper/requests.hpp"

#include <deque>
#include <functional>
#include <memory>

namespace banger::helper {

/// InvalidArgument unless the server is on this host: in 127.0.0.0/8, or the bridge's own address. Whoever
/// answers look-ups decides where the host's programs connect to.
void check_name_server(const Ipv4Address& server, const Ipv4Cidr& bridge);

/// For the loop's thread, on whose connection it calls systemd-resolved: never waiting, each call with a time
/// limit.
class Resolver {
public:
    Resolver(Ledger& ledger, Lanes& lanes, sdbus::IConnection& connection);

    void perform(const Grant<Action::Resolver>& grant, const SetResolver& request, const Done<Nothing>& done);
    void perform(const Grant<Action::Resolver>& grant, const ClearResolver& request,
                 const Done<Nothing>& done);

    /// What was set for the bridge is taken back, if it was; that it cannot be is logged and no error, for
    /// the link is about to go, and all that is known of it. For whoever holds the bridge's turn.
    void forget(const BridgeRecord& bridge, const Done<Nothing>& done);
    /// What a crash left half-made is taken back, as soon as the loop runs.
    void mend();

private:
    using Step = std::function<void(const Done<Nothing>&)>;

    void set(uint32_t uid, const SetResolver& request, const Turn& turn, const Done<Nothing>& done);
    void write(const BridgeName& bridge, const std::optional<ResolverRecord>& resolver);
    void revert(const BridgeName& bridge, const Done<Nothing>& done);
    void run(std::deque<Step> steps, const Done<Nothing>& done);
    template <class... In>
    Step call(const char* method, In... in);
    std::deque<Step> steps_for(int link, const SetResolver& request);

    Ledger& ledger_;
    Lanes& lanes_;
    std::unique_ptr<sdbus::IProxy> resolved_;
};

} // namespace banger::helper
