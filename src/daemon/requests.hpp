// What callers ask for, parsed from a method's options and checked: every key known, every number bounded.
#pragma once

#include "base/names.hpp"
#include "bus/caller.hpp"
#include "bus/options.hpp"

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
    std::string vmm; ///< "qemu" or "null": auto is resolved
    std::string null_mode;
    std::chrono::milliseconds ready_timeout{120'000};
};

struct StopRequest {
    std::chrono::milliseconds timeout{20'000};
};

/// `host_mib`: the memory that the host has. Throws InvalidArgument, FailedPrecondition.
CreateRequest parse_create(bus::Options& options, uint64_t host_mib);
std::chrono::milliseconds parse_start(bus::Options& options); ///< the ready timeout
StopRequest parse_stop(bus::Options& options);
bool parse_delete(bus::Options& options); ///< force

} // namespace banger::daemon
