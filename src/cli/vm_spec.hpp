// What a VM shall be: the options that `vm run`, `vm create` and `vm set` share.
#pragma once

#include "bus/compat.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace banger::cli {

/// What may be changed later as well: the options that `vm set` shares.
struct VmShape {
    std::optional<uint32_t> vcpus;
    std::string memory;      ///< as written: a bare number counts MiB
    std::string disk;        ///< as written: a bare number counts bytes
    std::optional<bool> nat; ///< as it is, or as the daemon has it, when absent
    std::optional<bool> autostart;
    std::string auto_stop; ///< as written: a duration, or "never"
    std::optional<bool> protect;

    void declare(CLI::App& app);
    /// Adds the options of CreateVm or SetVm that were given. Throws InvalidArgument.
    void add_to(bus::Variants& request) const;
};

struct VmSpec {
    std::string name;
    std::string image;
    std::string kernel;
    VmShape shape;
    std::string vmm;
    std::string null_mode; ///< what a VMM of the kind null does wrong

    void declare(CLI::App& app);
    /// Adds the options of CreateVm that were given. Throws InvalidArgument.
    void add_to(bus::Variants& request) const;
};

} // namespace banger::cli
