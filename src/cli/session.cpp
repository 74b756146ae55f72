#include "cli/session.hpp"

#include "cli/vms.hpp"

namespace banger::cli {

namespace {

OwnedFd open(Manager& manager, const std::string& vm, const bus::Variants& options) {
    try {
        auto stream = manager.call([&](ManagerProxy& proxy) { return proxy.OpenSession(vm, options); });
        return OwnedFd(stream.release());
    } catch (const Error& error) {
        throw explain_vm(manager, error, vm);
    }
}

} // namespace

OwnedFd open_session(Manager& manager, const std::string& vm) {
    return open(manager, vm, manager.options());
}

OwnedFd open_session_early(Manager& manager, const std::string& vm) {
    auto options = manager.options();
    options["early"] = sdbus::Variant{true};
    return open(manager, vm, options);
}

} // namespace banger::cli
