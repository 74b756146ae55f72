#include "helper/resolver.hpp"

#include "base/log.hpp"
#include "base/op_id.hpp"
#include "bus/errors.hpp"
#include "helper/network.hpp"

#include <sys/socket.h>

#include <vector>

namespace banger::helper {

namespace {

constexpr const char* service = "org.freedesktop.resolve1";
constexpr const char* path = "/org/freedesktop/resolve1";
constexpr const char* interface = "org.freedesktop.resolve1.Manager";
constexpr std::chrono::seconds call_limit{5};

Error explained(const char* method, const sdbus::Error& error) {
    const auto why = bus::from_bus(error);
    const char* hint = "without it VMs have no names on this host: use their addresses";
    if (why.code() == ErrorCode::Unavailable)
        return {ErrorCode::Unavailable, "systemd-resolved is not there: " + why.message(),
                std::string("install and start it (package systemd-resolved); ") + hint};
    if (why.code() == ErrorCode::Timeout)
        return {ErrorCode::Timeout, std::string("systemd-resolved does not answer ") + method,
                std::string("is it well? systemctl status systemd-resolved; ") + hint};
    return {why.code(), std::string("systemd-resolved refuses ") + method + ": " + why.message(), hint};
}

std::vector<uint8_t> bytes_of(const Ipv4Address& address) {
    const auto bits = address.bits();
    return {static_cast<uint8_t>(bits >> 24), static_cast<uint8_t>(bits >> 16),
            static_cast<uint8_t>(bits >> 8), static_cast<uint8_t>(bits)};
}

const BridgeRecord& bridge_of(const Ledger& ledger, const BridgeName& name, uint32_t uid) {
    const auto* known = ledger.bridge(name);
    if (!known || known->uid != uid || known->step != helper::Step::Made)
        throw Error(ErrorCode::NotFound, "you have no bridge " + name.str(), "ensure the bridge first");
    return *known;
}

} // namespace

void check_name_server(const Ipv4Address& server, const Ipv4Cidr& bridge) {
    if ((server.bits() >> 24) != 127 && server != bridge.address())
        throw Error(ErrorCode::InvalidArgument, "the name server " + server.str() + " is not on this host",
                    "an address in 127.0.0.0/8, or the bridge's own: " + bridge.address().str());
}

Resolver::Resolver(Ledger& ledger, Lanes& lanes, sdbus::IConnection& connection)
    : ledger_(ledger)
    , lanes_(lanes)
    , resolved_(sdbus::createProxy(connection, bus::ServiceName(service), bus::ObjectPath(path))) {}

template <class... In>
Resolver::Step Resolver::call(const char* method, In... in) {
    return [this, method, in...](const Done<Nothing>& done) {
        resolved_->callMethodAsync(method)
            .onInterface(interface)
            .withTimeout(call_limit)
            .withArguments(in...)
            .uponReplyInvoke([method, done, op = current_op_id()](bus::ReplyError error) {
                const OpScope scope(op);
                if (error)
                    done(explained(method, *error));
                else
                    done(Nothing{});
            });
    };
}

/// One after the other; the first error ends it.
void Resolver::run(std::deque<Step> steps, const Done<Nothing>& done) {
    if (steps.empty())
        return done(Nothing{});
    const auto step = std::move(steps.front());
    steps.pop_front();
    guarded(done, [&] {
        step([this, steps, done](Outcome<Nothing> outcome) {
            if (std::holds_alternative<Error>(outcome))
                done(std::move(outcome));
            else
                run(steps, done);
        });
    });
}

/// The server last: before it is asked anything, it is known to be for NAME.vm alone.
std::deque<Resolver::Step> Resolver::steps_for(int link, const SetResolver& request) {
    using Server = sdbus::Struct<int32_t, std::vector<uint8_t>, uint16_t, std::string>;
    using Domain = sdbus::Struct<std::string, bool>;
    return {
        call("SetLinkDefaultRoute", link, false),
        call("SetLinkDomains", link, std::vector<Domain>{Domain{"vm", true}}), // true: routing only, "~vm"
        call("SetLinkLLMNR", link, std::string("no")), call("SetLinkMulticastDNS", link, std::string("no")),
        // The host's own settings for these would be about the servers out there.
        call("SetLinkDNSOverTLS", link, std::string("no")), call("SetLinkDNSSEC", link, std::string("no")),
        call("SetLinkDNSEx", link,
             std::vector<Server>{Server{AF_INET, bytes_of(request.server), request.port, ""}})};
}

void Resolver::perform(const Grant<Action::Resolver>& grant, const SetResolver& request,
                       const Done<Nothing>& done) {
    lanes_.enter(bridge_lane(request.bridge), [=, this, uid = grant.owner().uid](const Turn& turn) {
        guarded(done, [&] { set(uid, request, turn, done); });
    });
}

void Resolver::set(uint32_t uid, const SetResolver& request, const Turn& turn, const Done<Nothing>& done) {
    const auto& bridge = bridge_of(ledger_, request.bridge, uid);
    check_name_server(request.server, bridge.address);
    const auto link = links::find(request.bridge.str());
    if (!link || link->kind != "bridge")
        throw Error(ErrorCode::FailedPrecondition,
                    "bridge " + request.bridge.str() + " is not there any more", "ensure the bridge first");
    write(request.bridge, ResolverRecord{request.server, request.port, helper::Step::Making});
    run(steps_for(link->index, request), [=, this](Outcome<Nothing> outcome) {
        guarded(done, [&] {
            if (!std::holds_alternative<Error>(outcome)) {
                write(request.bridge, ResolverRecord{request.server, request.port, helper::Step::Made});
                return done(std::move(outcome));
            }
            revert(request.bridge, [=, this](const Outcome<Nothing>&) {
                guarded(done, [&] {
                    write(request.bridge, std::nullopt);
                    done(outcome);
                });
            });
        });
        (void)turn; // held until here
    });
}

void Resolver::perform(const Grant<Action::Resolver>& grant, const ClearResolver& request,
                       const Done<Nothing>& done) {
    lanes_.enter(bridge_lane(request.bridge), [=, this, uid = grant.owner().uid](const Turn& turn) {
        guarded(done, [&] {
            const auto* known = ledger_.bridge(request.bridge);
            if (!known || known->uid != uid || !known->resolver)
                return done(Nothing{});
            auto resolver = *known->resolver;
            resolver.step = helper::Step::Removing;
            write(request.bridge, resolver);
            revert(request.bridge, [=, this](Outcome<Nothing> outcome) {
                guarded(done, [&] {
                    if (!std::holds_alternative<Error>(outcome))
                        write(request.bridge, std::nullopt);
                    done(std::move(outcome));
                });
                (void)turn; // held until here
            });
        });
    });
}

void Resolver::write(const BridgeName& bridge, const std::optional<ResolverRecord>& resolver) {
    const auto* known = ledger_.bridge(bridge);
    if (!known)
        return;
    auto record = *known;
    record.resolver = resolver;
    ledger_.put(record);
}

void Resolver::revert(const BridgeName& bridge, const Done<Nothing>& done) {
    const auto link = links::find(bridge.str());
    if (!link)
        return done(Nothing{}); // and with it all that the resolver knew
    run({call("RevertLink", link->index)}, done);
}

void Resolver::forget(const BridgeRecord& bridge, const Done<Nothing>& done) {
    if (!bridge.resolver)
        return done(Nothing{});
    revert(bridge.bridge, [done](const Outcome<Nothing>& outcome) {
        if (const auto* error = std::get_if<Error>(&outcome))
            log::info("the resolver keeps what it knows of a bridge until the link is gone: " +
                      error->message());
        done(Nothing{});
    });
}

void Resolver::mend() {
    for (const auto& record : ledger_.bridges()) {
        if (!record.resolver || record.resolver->step == helper::Step::Made)
            continue;
        log::notice("taking back the half-made resolver of bridge " + record.bridge.str());
        lanes_.enter(bridge_lane(record.bridge), [this, record](const Turn& turn) {
            const Done<Nothing> done = [this, record, turn](const Outcome<Nothing>&) {
                write(record.bridge, std::nullopt);
            };
            guarded<Nothing>([](const Outcome<Nothing>&) {}, [&] { forget(record, done); });
        });
    }
}

} // namespace banger::helper
