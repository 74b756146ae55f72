// How errors are told.
#pragma once

#include "base/error.hpp"
#include "cli/output.hpp"

#include <string>

namespace banger::cli {

/// For people: "banger: MESSAGE", then an indented line each for the step, what to try, details and the
/// operation. With Format::Json or Yaml one line of JSON: {"error": {code, message, hint, step, details,
/// operation}}.
std::string error_text(const Error& error, Format format);

/// Prints it on standard error.
void report(const Error& error, Format format) noexcept;
/// Prints "banger: TEXT" on standard error.
void warn(const std::string& text) noexcept;

} // namespace banger::cli
