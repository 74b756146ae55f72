// Text on its way to a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace banger::cli {

/// `text` with every control character but newline and tab as "?": what a guest or a file name says must not
/// steer the terminal (ECMA-48 C0 and C1 sets; C1 as UTF-8 has it, C2 80 to C2 9F). `keep_newlines` false:
/// those go as well.
std::string safe_text(std::string_view text, bool keep_newlines = true);
/// How many columns it takes, one for each UTF-8 code point.
size_t display_width(std::string_view text);
/// Its first `columns` columns, the last of them "…" where something was cut off.
std::string shorten(const std::string& text, size_t columns);

/// "500ms", "30s", "5m", "1.5h"; a bare number counts seconds. At least 1 ms and at most 30 days. `option`
/// goes into the error.
std::chrono::milliseconds parse_duration(std::string_view text, std::string_view option);
/// "850 ms", "4.2 s", "3 min", "2 h", "5 d".
std::string human_duration(std::chrono::milliseconds duration);
/// µs since the Unix epoch as RFC 3339 in UTC, "2025-01-31T12:00:00Z".
std::string rfc3339(uint64_t unix_us);

} // namespace banger::cli
