// The owner's daemon, as commands see it.
#pragma once

#include "base/op_id.hpp"
#include "bus/compat.hpp"
#include "bus/errors.hpp"
#include "glue/org_banger_Manager1_proxy.hpp"

#include <memory>
#include <string>

namespace banger::cli {

class ManagerProxy : public sdbus::ProxyInterfaces<org::banger::Manager1_proxy> {
public:
    explicit ManagerProxy(sdbus::IConnection& connection);
    ~ManagerProxy() { unregisterProxy(); }
    sdbus::IProxy& raw() { return getProxy(); }
};

/// A connection to the session bus and the daemon's manager object on it. All calls block; the process has no
/// other thread.
class Manager {
public:
    /// Connects; throws Unavailable, with what to do, when there is no session bus. The daemon itself is not
    /// asked yet. Every call belongs to the operation `op`.
    explicit Manager(const OpId& op);

    /// Runs `body(proxy)`; what the bus throws becomes an Error that names the operation.
    template <class Body>
    auto call(Body&& body) {
        try {
            return bus::call([&] { return body(*proxy_); });
        } catch (Error& error) {
            if (error.code() != ErrorCode::Unavailable)
                error.in_operation(op_);
            throw;
        }
    }

    /// The options that every method takes: `op-id`.
    bus::Variants options() const;
    const std::string& op() const noexcept { return op_; }
    sdbus::IConnection& connection() noexcept { return *connection_; }

    /// All properties of `interface` at `path` of the daemon.
    bus::Variants properties(const std::string& path, const std::string& interface);

private:
    std::string op_;
    std::unique_ptr<sdbus::IConnection> connection_;
    std::unique_ptr<ManagerProxy> proxy_;
};

/// Whether there is somebody to answer a password prompt: standard input and error are terminals.
bool on_terminal();

} // namespace banger::cli
