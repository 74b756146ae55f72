#include "bus/object_path.hpp"
#include "cli/completion.hpp"
#include "cli/output.hpp"
#include "cli/properties.hpp"
#include "cli/vms.hpp"

#include <unistd.h>

#include <chrono>
#include <csignal>

namespace banger::cli {

namespace {

/// Of one call over the bus.
constexpr auto patience = std::chrono::milliseconds(400);
constexpr unsigned limit_s = 1; ///< of everything

/// Whether the daemon runs: to complete a word is no reason to start it.
bool daemon_runs(sdbus::IConnection& connection) {
    const auto driver = sdbus::createProxy(connection, bus::ServiceName("org.freedesktop.DBus"),
                                           bus::ObjectPath("/org/freedesktop/DBus"));
    bool runs = false;
    driver->callMethod("NameHasOwner")
        .onInterface("org.freedesktop.DBus")
        .withTimeout(patience)
        .withArguments(std::string(bus::manager_service))
        .storeResultsTo(runs);
    return runs;
}

bool wanted(const VmInfo& vm, const std::string& kind) {
    return kind == "vm" || (kind == "active vm" && vm.active()) || (kind == "resting vm" && !vm.active()) ||
           (kind == "paused vm" && vm.state == "paused");
}

std::vector<std::string> names_of(const std::string& kind) {
    Manager manager(OpId::make());
    if (!daemon_runs(manager.connection()))
        return {};
    manager.connection().setMethodCallTimeout(patience);
    std::vector<std::string> names;
    if (kind != "image" && kind != "kernel") {
        for (const auto& vm : all_vms(manager))
            if (wanted(vm, kind))
                names.push_back(vm.name);
        return names;
    }
    const auto things = manager.call([&](ManagerProxy& proxy) {
        return kind == "image" ? proxy.ListImages(manager.options()) : proxy.ListKernels(manager.options());
    });
    for (const auto& thing : things)
        names.push_back(property<std::string>(thing, "Name"));
    return names;
}

} // namespace

int complete(const std::vector<std::string>& words) noexcept {
    try {
        // Connecting has no time limit of its own.
        std::signal(SIGALRM, [](int) { ::_exit(0); });
        ::alarm(limit_s);
        std::string text;
        for (const auto& word : completions(words, names_of))
            text += word + "\n";
        print(text);
    } catch (...) {
        return 0; // no bus, no daemon: no names
    }
    return 0;
}

} // namespace banger::cli
