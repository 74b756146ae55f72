#include "daemon/helper_client.hpp"

#include "base/op_id.hpp"
#include "bus/caller.hpp"
#include "bus/errors.hpp"
#include "bus/object_path.hpp"
#include "daemon/wait.hpp"

#include <poll.h>

#include <cerrno>
#include <optional>

namespace banger::daemon {

namespace {

constexpr auto network_interface = "org.banger.Helper1.Network";
constexpr auto machine_interface = "org.banger.Helper1.Machine";

constexpr std::chrono::seconds plain_limit{60};
/// Somebody may have to find a password first.
constexpr std::chrono::seconds interactive_limit{600};

/// Milliseconds until sd-bus wants to be called again.
int bus_timeout(const bus::PollData& data) {
    if (data.timeout_us == UINT64_MAX)
        return -1;
    const Clock::time_point end{std::chrono::microseconds(data.timeout_us)};
    return milliseconds_until(end);
}

template <class T>
T fact(const bus::Variants& facts, const char* key, T otherwise) {
    const auto found = facts.find(key);
    return found == facts.end() ? otherwise : found->second.get<T>();
}

bus::Variants launch_options(const LaunchRequest& request, bus::Variants options) {
    const auto add_fd = [&](const char* key, const OwnedFd& fd) {
        if (fd)
            options.emplace(key, sdbus::Variant{sdbus::UnixFd(fd.get())});
    };
    options.emplace("vmm", sdbus::Variant{request.vmm});
    add_fd("kernel", request.kernel);
    add_fd("initrd", request.initrd);
    add_fd("console", request.console);
    if (!request.drives.empty()) {
        std::vector<sdbus::Struct<std::string, bool, sdbus::UnixFd>> drives;
        for (const auto& drive : request.drives)
            drives.emplace_back(drive.name, drive.read_only, sdbus::UnixFd(drive.file.get()));
        options.emplace("drives", sdbus::Variant{drives});
    }
    options.emplace("tap", sdbus::Variant{request.tap});
    options.emplace("vcpus", sdbus::Variant{request.vcpus});
    options.emplace("memory-mib", sdbus::Variant{request.memory_mib});
    if (!request.null_mode.empty())
        options.emplace("null-mode", sdbus::Variant{request.null_mode});
    return options;
}

} // namespace

struct HelperClient::Call {
    bool answered = false;
    std::optional<Error> failure;
};

void HelperClient::begin(bool interactive, std::stop_token stop) {
    interactive_ = interactive;
    stop_ = std::move(stop);
    if (proxy_)
        bus::set_interactive(*proxy_, interactive_);
}

bus::Variants HelperClient::options() const {
    bus::Variants options;
    if (!current_op_id().empty())
        options.emplace("op-id", sdbus::Variant{current_op_id()});
    return options;
}

void HelperClient::connect() {
    if (connection_)
        return;
    try {
        connection_ = sdbus::createSystemBusConnection();
        proxy_ = sdbus::createProxy(*connection_, bus::ServiceName(bus::helper_service),
                                    bus::ObjectPath(bus::helper_path));
        bus::set_interactive(*proxy_, interactive_);
    } catch (const sdbus::Error& error) {
        disconnect();
        throw Error(ErrorCode::Unavailable, "cannot reach the system bus: " + std::string(error.getMessage()),
                    "is the system's dbus running? $DBUS_SYSTEM_BUS_ADDRESS tells where it should be");
    }
}

void HelperClient::disconnect() noexcept {
    proxy_.reset();
    connection_.reset();
}

/// Serves the connection until the call is answered.
void HelperClient::await(Call& call) {
    const StopEvent stop(stop_);
    while (!call.answered) {
        if (bus::process_one(*connection_))
            continue;
        const auto data = bus::poll_data(*connection_);
        pollfd polled[3] = {{data.fd, data.events, 0}, {stop.fd(), POLLIN, 0}, {data.event_fd, POLLIN, 0}};
        const int n = ::poll(polled, 3, bus_timeout(data));
        if (n < 0 && errno != EINTR)
            throw_errno("poll");
        throw_if_cancelled(stop_);
    }
    if (call.failure)
        throw Error(*call.failure);
}

template <class... Out, class... In>
void HelperClient::send(Call& call, std::tuple<Out...>& answer, const char* interface, const char* method,
                        const In&... in) {
    proxy_->callMethodAsync(method)
        .onInterface(interface)
        .withTimeout(interactive_ ? interactive_limit : plain_limit)
        .withArguments(in...)
        .uponReplyInvoke([&call, &answer](bus::ReplyError error, Out... out) {
            call.answered = true;
            if (error)
                call.failure = bus::from_bus(*error);
            else
                answer = std::tuple<Out...>(std::move(out)...);
        });
}

template <class... Out, class... In>
std::tuple<Out...> HelperClient::invoke(const char* interface, const char* method, const In&... in) {
    throw_if_cancelled(stop_);
    std::tuple<Out...> answer;
    Call call;
    const bool kept = static_cast<bool>(connection_);
    connect();
    try {
        try {
            send<Out...>(call, answer, interface, method, in...);
        } catch (const sdbus::Error&) {
            if (!kept)
                throw;
            disconnect(); // it broke while nobody used it
            connect();
            send<Out...>(call, answer, interface, method, in...);
        }
        await(call);
    } catch (const sdbus::Error& error) {
        disconnect(); // with it the call, whose answer would come to this frame
        throw Error(bus::from_bus(error));
    } catch (...) {
        if (!call.answered)
            disconnect();
        throw;
    }
    return answer;
}

void HelperClient::ensure_bridge(const std::string& bridge, const Ipv4Cidr& address) {
    invoke<>(network_interface, "EnsureBridge", bridge, address.str(), options());
}

std::string HelperClient::create_tap(const VmId& vm, const std::string& bridge) {
    return std::get<0>(invoke<std::string>(network_interface, "CreateTap", vm.str(), bridge, options()));
}

void HelperClient::set_nat(const VmId& vm, const Ipv4Address& address, bool on) {
    invoke<>(network_interface, "SetNat", vm.str(), address.str(), on, options());
}

void HelperClient::delete_tap(const VmId& vm) {
    invoke<>(network_interface, "DeleteTap", vm.str(), options());
}

Launched HelperClient::launch(const VmId& vm, const LaunchRequest& request) {
    auto [unit, pid, api, vsock] = invoke<std::string, uint32_t, std::string, std::string>(
        machine_interface, "Launch", vm.str(), launch_options(request, options()));
    if (pid == 0 || pid > INT32_MAX)
        throw Error(ErrorCode::Internal, "the helper named no process");
    return {std::move(unit), static_cast<int>(pid), std::move(api), std::move(vsock)};
}

MachineFacts HelperClient::inspect(const VmId& vm) {
    const auto facts = std::get<0>(invoke<bus::Variants>(machine_interface, "Inspect", vm.str(), options()));
    return bus::call([&] {
        return MachineFacts{
            fact<std::string>(facts, "state", "absent"), static_cast<int>(fact<uint32_t>(facts, "pid", 0)),
            fact<std::string>(facts, "api-socket", ""),  fact<std::string>(facts, "vsock-socket", ""),
            fact<std::string>(facts, "vmm", ""),         fact<std::string>(facts, "tap", "")};
    });
}

OfferedVmms HelperClient::vmms() {
    using Texts = std::map<std::string, std::string>;
    const auto facts = std::get<0>(
        invoke<bus::Variants>("org.freedesktop.DBus.Properties", "GetAll", std::string(machine_interface)));
    return bus::call(
        [&] { return OfferedVmms{fact<Texts>(facts, "Vmms", {}), fact<Texts>(facts, "VmmTroubles", {})}; });
}

std::vector<std::string> HelperClient::list() {
    return std::get<0>(invoke<std::vector<std::string>>(machine_interface, "List", options()));
}

void HelperClient::kill(const VmId& vm) {
    invoke<>(machine_interface, "Kill", vm.str(), options());
}

void HelperClient::cleanup(const VmId& vm) {
    invoke<>(machine_interface, "Cleanup", vm.str(), options());
}

} // namespace banger::daemon
