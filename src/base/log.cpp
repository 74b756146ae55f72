#include "base/log.hpp"

#include "base/error.hpp"
#include "base/op_id.hpp"

#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>

namespace banger::log {

namespace {

constexpr std::array<std::pair<std::string_view, Level>, 5> levels{{
    {"error", Level::Error},
    {"warning", Level::Warning},
    {"notice", Level::Notice},
    {"info", Level::Info},
    {"debug", Level::Debug},
}};

// Set once in open(), before threads start, but for the level, which LogControl1 may change at any time.
std::string identifier_text = "banger";
bool to_journal = false;
std::atomic<Level> threshold{Level::Info};

/// Is standard error a stream to the journal? systemd says which file it is in $JOURNAL_STREAM ("dev:inode",
/// systemd.exec(5)).
bool stderr_is_journal() {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat status{};
    if (!stream || ::fstat(STDERR_FILENO, &status) < 0)
        return false;
    return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) == stream;
}

void send_to_journal(Level level, std::string_view message, const Fields& fields) {
    std::vector<std::string> lines{"MESSAGE=" + std::string(message),
                                   "PRIORITY=" + std::to_string(static_cast<int>(level)),
                                   "SYSLOG_IDENTIFIER=" + identifier_text};
    if (!current_op_id().empty())
        lines.push_back("OP_ID=" + current_op_id());
    for (const auto& [name, value] : fields)
        lines.push_back(std::string(name) + "=" + value);
    std::vector<iovec> parts;
    parts.reserve(lines.size());
    for (auto& line : lines)
        parts.push_back({line.data(), line.size()});
    ::sd_journal_sendv(parts.data(), static_cast<int>(parts.size()));
}

void print_to_stderr(Level level, std::string_view message, const Fields& fields) {
    auto line = identifier_text + ": " + std::string(level_name(level)) + ": ";
    // One entry, one line: what foreign text brings along must not forge another.
    for (const char c : message)
        line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    if (!current_op_id().empty())
        line += " OP_ID=" + current_op_id();
    for (const auto& [name, value] : fields) {
        line += " " + std::string(name) + "=";
        for (const char c : value)
            line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    line += '\n';
    if (::write(STDERR_FILENO, line.data(), line.size()) < 0)
        return; // nowhere left to say so
}

} // namespace

void open(std::string_view identifier) {
    identifier_text = identifier;
    const char* target = std::getenv("BANGER_LOG_TARGET");
    to_journal = target ? std::string_view(target) == "journal" : stderr_is_journal();
    if (const char* name = std::getenv("BANGER_LOG_LEVEL"))
        set_level(parse_level(name));
}

std::string_view target() noexcept {
    return to_journal ? "journal" : "console";
}

Level level() noexcept {
    return threshold;
}

void set_level(Level level) noexcept {
    threshold = level;
}

Level parse_level(std::string_view name) {
    for (const auto& [known, level] : levels)
        if (known == name)
            return level;
    throw Error(ErrorCode::InvalidArgument, "unknown log level: " + std::string(name),
                "one of error, warning, notice, info, debug");
}

std::string_view level_name(Level level) noexcept {
    for (const auto& [name, known] : levels)
        if (known == level)
            return name;
    return "info";
}

void write(Level level, std::string_view message, const Fields& fields) {
    if (level > threshold)
        return;
    if (to_journal)
        send_to_journal(level, message, fields);
    else
        print_to_stderr(level, message, fields);
}

} // namespace banger::log
