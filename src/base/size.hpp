// Sizes as people write them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace banger {

/// "512", "512M", "4G", "1.5GiB", "64KiB" → bytes; powers of 1024. A bare number counts `bare_unit` bytes.
/// Throws InvalidArgument for anything else, for 0, and past 2^63.
uint64_t parse_size(std::string_view text, uint64_t bare_unit = 1);
/// "1.2 GiB", "640 KiB", "12 B".
std::string human_size(uint64_t bytes);

} // namespace banger
