#include "cli/session.hpp"

#include "cli/vms.hpp"

namespace banger::cli {

OwnedFd open_session(Manager& manager, const std::string& vm) {
    try {
        auto stream =
            manager.call([&](ManagerProxy& proxy) { return proxy.OpenSession(vm, manager.options()); });
        return OwnedFd(stream.release());
    } catch (const Error& error) {
        throw explain_vm(manager, error, vm);
    }
}

} // namespace banger::cli
