#include "helper/service.hpp"

#include "base/log.hpp"
#include "bus/object_path.hpp"

namespace banger::helper {

namespace {

/// For methods that return nothing.
constexpr auto reply_nothing = [](const sdbus::Result<>& result, const Nothing&) { result.returnResults(); };

/// A reply to a caller that has left is no error of ours.
template <class Send>
void send(Send&& body) noexcept {
    try {
        body();
    } catch (const std::exception& error) {
        log::debug("the answer could not be sent: " + std::string(error.what()));
    }
}

/// Of the requests that hold any to speak of.
template <class Request>
size_t bytes_of(const Request& request) noexcept {
    if constexpr (requires { request.bytes(); })
        return request.bytes();
    else
        return 0;
}

void refuse(Call& call, Gate& gate, const Refusal& refusal,
            const std::function<void(const sdbus::Error&)>& send_error) {
    send([&] {
        const OpScope scope(call.op_id);
        call.log_failure(refusal.error);
        send_error(refusal.to_bus());
    });
    gate.finished(call);
}

std::map<std::string, sdbus::Variant> to_variants(const Facts& facts) {
    std::map<std::string, sdbus::Variant> result{{"state", sdbus::Variant{facts.state}}};
    const auto add = [&](const char* key, const std::string& value) {
        if (!value.empty())
            result.emplace(key, sdbus::Variant{value});
    };
    if (facts.pid > 0)
        result.emplace("pid", sdbus::Variant{static_cast<uint32_t>(facts.pid)});
    add("unit", facts.unit);
    add("snapshot", facts.snapshot);
    add("tap", facts.tap);
    add("bridge", facts.bridge);
    add("vmm", facts.vmm);
    add("api-socket", facts.api_socket);
    add("vsock-socket", facts.vsock_socket);
    return result;
}

} // namespace

Service::Service(sdbus::IConnection& connection, Gate& gate, Network& network, Nat& nat, Resolver& resolver,
                 Storage& storage, ImageFiles& image_files, Machine& machine, Waits& waits)
    : AdaptorInterfaces(connection, bus::ObjectPath(bus::helper_path))
    , gate_(gate)
    , network_(network)
    , nat_(nat)
    , resolver_(resolver)
    , storage_(storage)
    , image_files_(image_files)
    , machine_(machine)
    , waits_(waits) {
    registerAdaptor();
}

Service::~Service() {
    unregisterAdaptor();
}

std::shared_ptr<Call> Service::begin() {
    ++calls_;
    auto caller = bus::current_caller(getObject());
    const auto* rule = rule_for(caller.method);
    return std::make_shared<Call>(std::move(caller), rule);
}

/// The call's options and arguments as a request; what is wrong with them waits in the call, since nothing is
/// refused before the gate.
template <class Request, class Parse>
void read_request(Call& call, std::map<std::string, sdbus::Variant>&& variants, Parse& parse,
                  std::optional<Request>& request) noexcept {
    try {
        bus::Options options(std::move(variants));
        call.op_id = options.op_id();
        request.emplace(parse(options));
        options.finish();
        call.subject = request->subject();
        call.bytes = bytes_of(*request);
    } catch (...) {
        call.malformed = bus::current_error();
    }
}

template <Action A, class Value, class Parse, class Perform, class Reply, class... Results>
void Service::serve(sdbus::Result<Results...>&& result, Variants&& variants, Parse parse, Perform perform,
                    Reply reply) noexcept {
    const auto held = std::make_shared<sdbus::Result<Results...>>(std::move(result));
    try {
        using Request = decltype(parse(std::declval<bus::Options&>()));
        const auto call = begin();
        auto request = std::make_shared<std::optional<Request>>();
        read_request(*call, std::move(variants), parse, *request);
        const auto failed = [this, call, held](const Refusal& refusal) {
            refuse(*call, gate_, refusal, [&](const sdbus::Error& error) { held->returnError(error); });
        };
        const auto done = [this, call, held, reply, failed](Outcome<Value> outcome) {
            if (auto* error = std::get_if<Error>(&outcome))
                return failed(Refusal{std::move(*error)});
            send([&] {
                call->log_success();
                reply(*held, std::get<Value>(outcome));
            });
            gate_.finished(*call);
        };
        gate_.run<A>(
            call,
            [request, perform, done, failed](Grant<A> grant) {
                const OpScope scope(grant.op_id());
                try {
                    perform(grant, std::move(**request), Done<Value>(done));
                } catch (...) {
                    failed(Refusal{bus::current_error()});
                }
            },
            failed);
    } catch (...) {
        bus::fail(*held, bus::current_error());
    }
}

void Service::EnsureBridge(sdbus::Result<>&& result, std::string bridge, std::string address,
                           Variants options) {
    serve<Action::Network, Nothing>(
        std::move(result), std::move(options),
        [&](bus::Options&) { return parse_ensure_bridge(bridge, address); },
        [this](const auto& grant, auto request, auto done) { network_.perform(grant, request, done); },
        reply_nothing);
}

void Service::DeleteBridge(sdbus::Result<>&& result, std::string bridge, Variants options) {
    serve<Action::Network, Nothing>(
        std::move(result), std::move(options),
        [&](bus::Options&) { return helper::DeleteBridge{BridgeName::parse(bridge)}; },
        [this](const auto& grant, auto request, auto done) { network_.perform(grant, request, done); },
        reply_nothing);
}

void Service::CreateTap(sdbus::Result<std::string>&& result, std::string vm, std::string bridge,
                        Variants options) {
    serve<Action::Network, TapName>(
        std::move(result), std::move(options),
        [&](bus::Options& given) {
            return helper::CreateTap{VmId::parse(vm), BridgeName::parse(bridge),
                                     given.take_or("isolated", true)};
        },
        [this](const auto& grant, auto request, auto done) { network_.perform(grant, request, done); },
        [](const auto& held, const TapName& tap) { held.returnResults(tap.str()); });
}

void Service::DeleteTap(sdbus::Result<>&& result, std::string vm, Variants options) {
    serve<Action::Network, Nothing>(
        std::move(result), std::move(options),
        [&](bus::Options&) { return helper::DeleteTap{VmId::parse(vm)}; },
        [this](const auto& grant, auto request, auto done) { network_.perform(grant, request, done); },
        reply_nothing);
}

void Service::SetNat(sdbus::Result<>&& result, std::string vm, std::string address, bool on,
                     Variants options) {
    serve<Action::Network, Nothing>(
        std::move(result), std::move(options),
        [&](bus::Options&) { return helper::SetNat{VmId::parse(vm), Ipv4Address::parse(address), on}; },
        [this](const auto& grant, auto request, auto done) { nat_.perform(grant, request, done); },
        reply_nothing);
}

void Service::SetResolver(sdbus::Result<>&& result, std::string bridge, std::string server, uint16_t port,
                          Variants options) {
    serve<Action::Resolver, Nothing>(
        std::move(result), std::move(options),
        [&](bus::Options&) { return parse_set_resolver(bridge, server, port); },
        [this](const auto& grant, auto request, auto done) { resolver_.perform(grant, request, done); },
        reply_nothing);
}

void Service::ClearResolver(sdbus::Result<>&& result, std::string bridge, Variants options) {
    serve<Action::Resolver, Nothing>(
        std::move(result), std::move(options),
        [&](bus::Options&) { return helper::ClearResolver{BridgeName::parse(bridge)}; },
        [this](const auto& grant, auto request, auto done) { resolver_.perform(grant, request, done); },
        reply_nothing);
}

void Service::CreateSnapshot(sdbus::Result<std::string>&& result, std::string vm, sdbus::UnixFd rootfs,
                             sdbus::UnixFd cow, Variants options) {
    // The descriptors are this call's from here on, whatever else is wrong with it.
    OwnedFd rootfs_file(rootfs.release());
    OwnedFd cow_file(cow.release());
    serve<Action::Storage, std::string>(
        std::move(result), std::move(options),
        [&](bus::Options&) {
            return helper::CreateSnapshot{VmId::parse(vm), std::move(rootfs_file), std::move(cow_file)};
        },
        [this](const auto& grant, auto request, auto done) {
            storage_.perform(grant, std::move(request), done);
        },
        [](const auto& held, const std::string& device) { held.returnResults(device); });
}

void Service::CheckSnapshot(sdbus::Result<>&& result, std::string vm, Variants options) {
    serve<Action::Storage, Nothing>(
        std::move(result), std::move(options),
        [&](bus::Options& given) {
            return helper::CheckSnapshot{VmId::parse(vm), given.take_or("force", false)};
        },
        [this](const auto& grant, auto request, auto done) { storage_.perform(grant, request, done); },
        reply_nothing);
}

void Service::RemoveSnapshot(sdbus::Result<>&& result, std::string vm, Variants options) {
    serve<Action::Storage, Nothing>(
        std::move(result), std::move(options),
        [&](bus::Options&) { return helper::RemoveSnapshot{VmId::parse(vm)}; },
        [this](const auto& grant, auto request, auto done) { storage_.perform(grant, request, done); },
        reply_nothing);
}

void Service::ReadImageFile(sdbus::Result<std::vector<uint8_t>>&& result, std::string vm, std::string path,
                            Variants options) {
    serve<Action::GuestFiles, std::string>(
        std::move(result), std::move(options),
        [&](bus::Options& given) { return parse_read_image(vm, path, given); },
        [this](const auto& grant, auto request, auto done) {
            image_files_.perform(grant, std::move(request), done);
        },
        [](const auto& held, const std::string& content) {
            held.returnResults(std::vector<uint8_t>(content.begin(), content.end()));
        });
}

void Service::WriteImageFiles(sdbus::Result<>&& result, std::string vm, GivenImageFiles files,
                              Variants options) {
    serve<Action::GuestFiles, std::string>(
        std::move(result), std::move(options),
        [&](bus::Options& given) { return parse_write_image(vm, files, given); },
        [this](const auto& grant, auto request, auto done) {
            image_files_.perform(grant, std::move(request), done);
        },
        [](const auto& held, const std::string&) { held.returnResults(); });
}

void Service::Launch(sdbus::Result<std::string, uint32_t, std::string, std::string>&& result, std::string vm,
                     Variants options) {
    serve<Action::Machine, Launched>(
        std::move(result), std::move(options), [&](bus::Options& given) { return parse_launch(vm, given); },
        [this](const auto& grant, auto request, auto done) {
            machine_.perform(grant, std::move(request), done);
        },
        [](const auto& held, const Launched& made) {
            held.returnResults(made.unit, static_cast<uint32_t>(made.pid), made.api_socket,
                               made.vsock_socket);
        });
}

void Service::Inspect(sdbus::Result<Variants>&& result, std::string vm, Variants options) {
    serve<Action::Machine, Facts>(
        std::move(result), std::move(options),
        [&](bus::Options&) { return helper::Inspect{VmId::parse(vm)}; },
        [this](const auto& grant, auto request, auto done) { machine_.perform(grant, request, done); },
        [](const auto& held, const Facts& facts) { held.returnResults(to_variants(facts)); });
}

void Service::List(sdbus::Result<std::vector<std::string>>&& result, Variants options) {
    serve<Action::Machine, std::vector<std::string>>(
        std::move(result), std::move(options), [](bus::Options&) { return helper::List{}; },
        [this](const auto& grant, auto request, auto done) { machine_.perform(grant, request, done); },
        [](const auto& held, const std::vector<std::string>& vms) { held.returnResults(vms); });
}

void Service::Signal(sdbus::Result<>&& result, std::string vm, std::string signal, Variants options) {
    serve<Action::Machine, Nothing>(
        std::move(result), std::move(options),
        [&](bus::Options&) { return SendSignal{VmId::parse(vm), SignalName::parse(signal)}; },
        [this](const auto& grant, auto request, auto done) { machine_.perform(grant, request, done); },
        reply_nothing);
}

void Service::Kill(sdbus::Result<>&& result, std::string vm, Variants options) {
    serve<Action::Machine, Nothing>(
        std::move(result), std::move(options), [&](bus::Options&) { return helper::Kill{VmId::parse(vm)}; },
        [this](const auto& grant, auto request, auto done) { machine_.perform(grant, request, done); },
        reply_nothing);
}

void Service::Wait(sdbus::Result<>&& result, std::string vm, Variants options) {
    serve<Action::Machine, Nothing>(
        std::move(result), std::move(options),
        [&](bus::Options&) { return AwaitEnd{VmId::parse(vm), bus::current_caller(getObject()).sender}; },
        [this](const auto& grant, auto request, auto done) { waits_.perform(grant, request, done); },
        reply_nothing);
}

void Service::Cleanup(sdbus::Result<>&& result, std::string vm, Variants options) {
    serve<Action::Machine, Nothing>(
        std::move(result), std::move(options),
        [&](bus::Options&) { return helper::Cleanup{VmId::parse(vm)}; },
        [this](const auto& grant, auto request, auto done) { machine_.perform(grant, request, done); },
        reply_nothing);
}

std::string Service::Version() {
    return BANGER_VERSION;
}

std::map<std::string, std::string> Service::Vmms() {
    return machine_.vmms().there;
}

std::map<std::string, std::string> Service::VmmTroubles() {
    return machine_.vmms().troubles;
}

} // namespace banger::helper
