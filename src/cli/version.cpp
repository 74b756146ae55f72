#include "bus/compat.hpp"
#include "bus/errors.hpp"
#include "bus/object_path.hpp"
#include "cli/command.hpp"
#include "cli/manager.hpp"
#include "cli/properties.hpp"

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <thread>

namespace banger::cli {

namespace {

/// Neither bus nor services may keep `banger version` waiting.
constexpr auto patience = std::chrono::seconds(2);

struct PartVersion {
    std::string version{}; ///< empty: it did not answer
    std::string reason{};  ///< then: why
    std::string vmm{};     ///< of the daemon
    std::string accelerator{};
    std::string installation{};
};

/// The properties of `interface`, from a service that runs already: to ask for its version is no reason to
/// start one.
PartVersion ask(sdbus::IConnection& connection, const char* service, const char* path,
                const char* interface) {
    auto driver = sdbus::createProxy(connection, bus::ServiceName("org.freedesktop.DBus"),
                                     bus::ObjectPath("/org/freedesktop/DBus"));
    bool running = false;
    driver->callMethod("NameHasOwner")
        .onInterface("org.freedesktop.DBus")
        .withTimeout(patience)
        .withArguments(std::string(service))
        .storeResultsTo(running);
    if (!running)
        return {.reason = "not running"};
    auto proxy = sdbus::createProxy(connection, bus::ServiceName(service), bus::ObjectPath(path));
    bus::Variants all;
    proxy->callMethod("GetAll")
        .onInterface("org.freedesktop.DBus.Properties")
        .withTimeout(patience)
        .withArguments(std::string(interface))
        .storeResultsTo(all);
    return {property<std::string>(all, "Version"),
            {},
            property<std::string>(all, "Vmm"),
            property<std::string>(all, "Accelerator"),
            property<std::string>(all, "Installation")};
}

/// Starts `body` on a thread that is left behind if it does not come to an end: connecting to a bus has no
/// time limit of its own.
std::future<PartVersion> begin(std::function<PartVersion()> body) {
    std::packaged_task<PartVersion()> task([body = std::move(body)]() -> PartVersion {
        try {
            return body();
        } catch (...) {
            return {.reason = bus::current_error().message()};
        }
    });
    auto future = task.get_future();
    std::thread(std::move(task)).detach();
    return future;
}

PartVersion finish(std::future<PartVersion> future) {
    if (future.wait_for(2 * patience) != std::future_status::ready)
        return {.reason = "no answer"};
    return future.get();
}

PartVersion daemon_version(const OpId& op) {
    Manager manager(op);
    return ask(manager.connection(), bus::manager_service, bus::manager_path, "org.banger.Manager1");
}

PartVersion helper_version() {
    std::unique_ptr<sdbus::IConnection> connection;
    try {
        connection = sdbus::createSystemBusConnection();
    } catch (const sdbus::Error& error) {
        return {.reason = "cannot reach the system bus: " + std::string(error.getMessage())};
    }
    return ask(*connection, bus::helper_service, bus::helper_path, "org.banger.Helper1.Machine");
}

std::string shown(const PartVersion& part) {
    return part.version.empty() ? part.reason : part.version;
}

Json part_json(const PartVersion& part) {
    if (part.version.empty())
        return {{"version", nullptr}, {"reason", part.reason}};
    Json json{{"version", part.version}};
    for (const auto& [key, value] : {std::pair{"vmm", part.vmm}, std::pair{"accelerator", part.accelerator},
                                     std::pair{"installation", part.installation}})
        if (!value.empty())
            json[key] = value;
    return json;
}

int show(const Invocation& invocation) {
    auto asked_daemon = begin([op = invocation.op] { return daemon_version(op); });
    auto asked_helper = begin(helper_version);
    const auto daemon = finish(std::move(asked_daemon));
    const auto helper = finish(std::move(asked_helper));
    if (invocation.format != Format::Table) {
        print(structured({{"client", {{"version", BANGER_VERSION}}},
                          {"daemon", part_json(daemon)},
                          {"helper", part_json(helper)}},
                         invocation.format));
        return 0;
    }
    std::vector<std::pair<std::string, std::string>> lines{
        {"banger", BANGER_VERSION}, {"daemon", shown(daemon)}, {"helper", shown(helper)}};
    if (!daemon.vmm.empty())
        lines.emplace_back("VMM", daemon.vmm + " (" + daemon.accelerator + ")");
    if (!daemon.installation.empty())
        lines.emplace_back("installation", daemon.installation);
    print(describe(lines));
    return 0;
}

} // namespace

Action version(CLI::App&, Invocation& invocation) {
    return [&invocation] { return show(invocation); };
}

} // namespace banger::cli
