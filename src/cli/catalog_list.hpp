// Lists of images and kernels, apart from the bus, so that tests can look at them.
#pragma once

#include "bus/compat.hpp"
#include "cli/listing.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace banger::cli {

/// `now`: µs since the Unix epoch.
std::string kernel_listing(const std::vector<bus::Variants>& kernels, const ListOptions& options,
                           Format format, uint64_t now);
std::string image_listing(const std::vector<bus::Variants>& images, const ListOptions& options, Format format,
                          uint64_t now);

} // namespace banger::cli
