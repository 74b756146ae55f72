// What a running instance wrote down about itself, and whether that is still true.
#pragma once

#include "base/fd.hpp"
#include "instance/layout.hpp"

#include <optional>
#include <string>
#include <vector>

namespace banger::instance {

/// A process as the host sees it: the pid, and the start time that makes it unmistakable.
struct ProcessId {
    int pid = -1;
    unsigned long long start_time = 0;

    static ProcessId of(int pid);
    /// A pidfd when it still runs; empty when it ended (a zombie has ended).
    std::optional<OwnedFd> open() const;
};

/// Written by `start`, before the supervisor does anything.
struct Record {
    ProcessId supervisor;
    ProcessId uplink;             ///< pid -1: none
    std::string network = "none"; ///< "uplink" or "none"
    std::string state;            ///< the state folder in use
    std::string bindir;           ///< of the programs, on the host
    std::string inner_bindir;     ///< the same, as seen inside; known once it is up
    std::string started;          ///< UTC, ISO 8601
    bool complete = false;        ///< the start went through
};

void write_record(const Layout& layout, const Record& record);
/// Empty when there is none, or none that can be read.
std::optional<Record> read_record(const Layout& layout);

enum class ServiceState { Running, Died, Off };

/// One of the supervisor's children.
struct Service {
    std::string name; ///< "system-bus", "session-bus", "polkitd"
    int pid = -1;     ///< inside the instance
    ServiceState state = ServiceState::Off;
    int restarts = 0;
    std::string why; ///< how it died
};

/// Written by the supervisor at every change.
void write_services(const Layout& layout, const std::vector<Service>& services);
std::vector<Service> read_services(const Layout& layout);

/// The layout with the state folder that the running instance really uses.
Layout running_layout(Layout layout, const Record& record);

} // namespace banger::instance
