#include "cli/session.hpp"

namespace banger::cli {

OwnedFd open_session(Manager& manager, const std::string& vm) {
    auto stream = manager.call([&](ManagerProxy& proxy) { return proxy.OpenSession(vm, manager.options()); });
    return OwnedFd(stream.release());
}

} // namespace banger::cli
