// One API request as a value.
#pragma once

#include "qemu/config.hpp"

#include <string_view>
#include <variant>

namespace banger::qemu {

enum class Get { Instance, Version, VmConfig, MachineConfig, Balloon, BalloonStatistics, Mmds };
enum class Action { FlushMetrics, InstanceStart, SendCtrlAltDel };
enum class VmState { Paused, Resumed };

struct BalloonUpdate {
    uint32_t amount_mib = 0;
};
struct BalloonStatisticsUpdate {
    unsigned stats_polling_interval_s = 0;
};
struct MmdsPut {
    Json data;
};
struct MmdsPatch {
    Json data;
};
/// What Firecracker has and QEMU's microvm, as it is used here, has not. `what` names it, `message` says so.
struct Unsupported {
    std::string message;
};
/// The two ways of PUT and PATCH /machine-config differ in parsing alone.
struct MachineChange {
    MachineUpdate update;
};

using Request =
    std::variant<Get, BootSource, MachineChange, Drive, DriveUpdate, NetworkInterface, NetworkUpdate, Vsock,
                 Entropy, Balloon, BalloonUpdate, BalloonStatisticsUpdate, Serial, Logger, Metrics, MmdsPut,
                 MmdsPatch, MmdsConfig, Action, VmState, Unsupported>;

/// The largest body that is read, Firecracker's own default limit.
inline constexpr size_t max_body = 51200;

/// Throws Error{InvalidArgument} with Firecracker's words for what it would refuse; `path` is the URL's path.
/// An empty body is none.
Request parse_request(std::string_view method, std::string_view path, std::string_view body);

} // namespace banger::qemu
