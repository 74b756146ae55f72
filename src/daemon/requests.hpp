// What callers ask for, parsed from a method's options and checked: every key known, every number bounded.
#pragma once

#include "base/names.hpp"
#include "bus/caller.hpp"
#include "bus/options.hpp"
#include "daemon/vm/state_waiters.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace banger::daemon {

/// Who asks, for the whole of an operation.
struct Request {
    std::string op_id;
    std::string sender;       ///< unique bus name; empty: the daemon itself
    bool interactive = false; ///< polkit may ask the user
};

struct CreateRequest {
    std::optional<DnsLabel> name;
    std::optional<StoreName> image;  ///< empty: the newest
    std::optional<StoreName> kernel; ///< likewise
    uint32_t vcpus = 2;
    uint32_t memory_mib = 512;
    uint64_t disk_bytes = uint64_t{4} << 30;
    bool start = false;
    bool nat = true;
    bool ephemeral = false;
    bool tied = false;
    bool autostart = false;
    bool is_protected = false;
    uint32_t auto_stop_after = 0; ///< seconds; 0: never
    std::string vmm;              ///< "qemu" or "null": auto is resolved
    std::string null_mode;
    std::chrono::milliseconds ready_timeout{120'000};
};

struct StartRequest {
    std::chrono::milliseconds ready_timeout{120'000};
};

struct StopRequest {
    std::chrono::milliseconds timeout{20'000};
};

struct RestartRequest {
    StopRequest stop;
    StartRequest start;
};

/// What is to change; the others stay.
struct SetRequest {
    std::optional<uint32_t> vcpus;
    std::optional<uint32_t> memory_mib;
    std::optional<uint64_t> disk_bytes;
    std::optional<bool> nat;
    std::optional<bool> autostart;
    std::optional<bool> is_protected;
    std::optional<uint32_t> auto_stop_after;

    /// Of what the running guest would not notice.
    bool needs_rest() const noexcept { return vcpus || memory_mib || disk_bytes; }
};

/// `host_mib`: the memory that the host has. Throws InvalidArgument, FailedPrecondition.
CreateRequest parse_create(bus::Options& options, uint64_t host_mib);
std::chrono::milliseconds parse_start(bus::Options& options); ///< the ready timeout
StopRequest parse_stop(bus::Options& options);
bool parse_open_session(bus::Options& options); ///< early
RestartRequest parse_restart(bus::Options& options);
SignalName parse_kill(bus::Options& options);
bool parse_delete(bus::Options& options); ///< force
SetRequest parse_set(bus::Options& options, uint64_t host_mib);
bool parse_console_log(bus::Options& options); ///< previous
bool parse_prune(bus::Options& options);       ///< dry-run
WaitRequest parse_wait(bus::Options& options);

} // namespace banger::daemon
