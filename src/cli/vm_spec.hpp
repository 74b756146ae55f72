// What a new VM shall be: the options that `vm run` and `vm create` share.
#pragma once

#include "bus/compat.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace banger::cli {

struct VmSpec {
    std::string name;
    std::string image;
    std::string kernel;
    std::optional<uint32_t> vcpus;
    std::string memory;      ///< as written: a bare number counts MiB
    std::string disk;        ///< as written: a bare number counts bytes
    std::optional<bool> nat; ///< as the daemon has it when absent
    std::string vmm;
    std::string null_mode; ///< what a VMM of the kind null does wrong

    void declare(CLI::App& app);
    /// Adds the options of CreateVm that were given. Throws InvalidArgument.
    void add_to(bus::Variants& request) const;
};

} // namespace banger::cli
