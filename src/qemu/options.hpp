// banger-qemu's command line.
#pragma once

#include "qemu/host.hpp"
#include "qemu/machine.hpp"
#include "qemu/null_guest.hpp"
#include "qemu/qemu_guest.hpp"

#include <optional>
#include <string>
#include <vector>

namespace banger::qemu {

struct Options {
    QemuGuest::Settings settings;
    std::string api_socket;
    std::vector<std::string> taps; ///< NAME=FD
    std::optional<NullMode> null;
};

/// Empty when the program has said all that was wanted (--help, --version) or something is wrong with the
/// arguments, which is then told on standard error; `status` is what to exit with.
std::optional<Options> parse_options(int argc, char** argv, int& status);

} // namespace banger::qemu
