// Where the parts of a private instance lie, and the lock that lets one command at a time change it.
#pragma once

#include "base/fd.hpp"

#include <optional>
#include <string>

namespace banger::instance {

/// The paths of one instance. Those below `run` are the same on the host and inside.
struct Layout {
    std::string name;
    std::string
        run; ///< /run/banger-instance/NAME: sockets, records, generated configuration; gone when stopped
    std::string state; ///< on the host: what outlives a stop
    std::string lock;  ///< /run/banger-instance/NAME.lock

    std::string system_socket() const { return run + "/system_bus_socket"; }
    /// In a folder of the owner's, whose daemon binds it.
    std::string session_folder() const { return run + "/session"; }
    std::string session_socket() const { return session_folder() + "/bus"; }
    std::string system_address() const { return "unix:path=" + system_socket(); }
    std::string session_address() const { return "unix:path=" + session_socket(); }
    std::string configuration() const { return run + "/conf"; }
    std::string record() const { return run + "/instance.json"; }
    std::string services_record() const { return run + "/services.json"; }
    std::string home() const { return state + "/home"; }
    std::string temporary() const { return state + "/tmp"; }
    std::string logs() const { return state + "/log"; }
    std::string state_lock() const { return state + "/lock"; }
};

inline constexpr const char* run_root = "/run/banger-instance";

/// The layout of the instance `name` (a DNS label; throws InvalidArgument). `state` is --state, or empty for
/// $BANGER_INSTANCE_DIR/NAME, by default /var/lib/banger-instance/NAME.
Layout layout_of(const std::string& name, const std::string& state = {});

/// Throws NotAuthorized, and says why root is needed, unless we are root.
void require_root();

/// Held while an instance is started or stopped.
class Lock {
public:
    /// Waits up to `timeout_ms` (0: not at all). Empty when somebody else holds it for that long.
    static std::optional<Lock> take(const Layout& layout, int timeout_ms);
    /// Removes the lock's file and, when it was the last, the folder it lies in. Still held until the end of
    /// scope.
    void remove_file() noexcept;

private:
    Lock(OwnedFd fd, std::string path)
        : fd_(std::move(fd))
        , path_(std::move(path)) {}
    OwnedFd fd_;
    std::string path_;
};

} // namespace banger::instance
