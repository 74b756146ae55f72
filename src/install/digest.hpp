// SHA-256, by which installed files are known.
#pragma once

#include <string>
#include <string_view>

namespace banger::install {

/// 64 lowercase hex digits.
std::string sha256(std::string_view content);

} // namespace banger::install
