// The guest's kernel command line: what the daemon tells the agent about this boot.
#pragma once

#include "base/net_types.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace banger::agent {

enum class Transport { Vsock, Serial };
enum class RootKind { None, Overlay, Disk };
enum class InitChoice { Auto, None, Path };

/// The `banger.*` parameters.
struct BootConfig {
    Transport transport = Transport::Vsock;
    RootKind root = RootKind::None;
    std::string image;    ///< device of the read-only image, or of the disk
    std::string writable; ///< device whose root folder holds upper/ and work/ (overlay only)
    std::optional<Ipv4Cidr> address{};
    std::optional<Ipv4Address> gateway{};
    std::optional<Ipv4Address> dns{};
    std::string hostname{}; ///< a DNS label; empty: none given
    InitChoice init = InitChoice::Auto;
    std::string init_path{};
};

/// Reads the text of /proc/cmdline. Other parameters, and `banger.*` ones of later versions, are passed over;
/// where one is given twice the last one counts, as in the kernel. A malformed value is an
/// Error{InvalidArgument}.
BootConfig parse_cmdline(std::string_view text);

} // namespace banger::agent
