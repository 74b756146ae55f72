// Lists of images and kernels, apart from the bus, so that tests can look at them.
#pragma once

#include "bus/compat.hpp"
#include "cli/output.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace banger::cli {

/// `now`: µs since the Unix epoch.
std::string kernel_listing(const std::vector<bus::Variants>& kernels, bool quiet, Format format,
                           uint64_t now);
std::string image_listing(const std::vector<bus::Variants>& images, bool quiet, Format format, uint64_t now);

/// Throws InvalidArgument when both --quiet and an output format for programs were given.
void refuse_quiet_format(bool quiet, Format format);

} // namespace banger::cli
