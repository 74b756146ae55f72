// Structured logging: to the journal where there is one, else readable lines on standard error. Every entry
// carries the thread's operation id as OP_ID, so that `journalctl OP_ID=…` tells the whole story across
// processes.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace banger::log {

/// syslog(3) levels.
enum class Level { Error = 3, Warning = 4, Notice = 5, Info = 6, Debug = 7 };

/// Further journal fields: {"VM_ID", "…"}; names are [A-Z0-9_].
using Fields = std::vector<std::pair<std::string_view, std::string>>;

/// Names the program ("banger-daemon"); reads BANGER_LOG_LEVEL (error … debug; default info) and
/// BANGER_LOG_TARGET (journal, stderr; default: the journal when its socket is there and standard error is
/// connected to it or is no use).
void open(std::string_view identifier);

/// Where entries go: "journal", or "console" for standard error.
std::string_view target() noexcept;
Level level() noexcept;
void set_level(Level level) noexcept;
/// "debug" → Debug; throws InvalidArgument.
Level parse_level(std::string_view name);
std::string_view level_name(Level level) noexcept;

void write(Level level, std::string_view message, const Fields& fields = {});

inline void debug(std::string_view message, const Fields& fields = {}) {
    write(Level::Debug, message, fields);
}
inline void info(std::string_view message, const Fields& fields = {}) {
    write(Level::Info, message, fields);
}
inline void notice(std::string_view message, const Fields& fields = {}) {
    write(Level::Notice, message, fields);
}
inline void warning(std::string_view message, const Fields& fields = {}) {
    write(Level::Warning, message, fields);
}
inline void error(std::string_view message, const Fields& fields = {}) {
    write(Level::Error, message, fields);
}

} // namespace banger::log
