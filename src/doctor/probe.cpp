#include "doctor/probe.hpp"

#include "bus/errors.hpp"

namespace banger::doctor {

void guarded(Checks& checks, const std::string& id, Verdict verdict, const std::function<void()>& body) {
    try {
        body();
    } catch (...) {
        const auto error = bus::current_error();
        checks.push_back({id, verdict, "could not be checked: " + error.message(), error.hint()});
    }
}

bus::Variants properties(sdbus::IConnection& connection, const std::string& service, const std::string& path,
                         const std::string& interface) {
    return bus::call([&] {
        auto proxy = sdbus::createProxy(connection, bus::ServiceName(service), bus::ObjectPath(path));
        bus::Variants all;
        proxy->callMethod("GetAll")
            .onInterface("org.freedesktop.DBus.Properties")
            .withTimeout(patience)
            .withArguments(interface)
            .storeResultsTo(all);
        return all;
    });
}

} // namespace banger::doctor
