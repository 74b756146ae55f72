#include "cli/report.hpp"

#include "cli/text.hpp"

#include <cstdio>

namespace banger::cli {

namespace {

void add_line(std::string& text, const char* key, const std::string& value) {
    if (!value.empty())
        text += std::string("  ") + key + ": " + safe_text(value, false) + "\n";
}

/// Several lines, each indented; one alone stands beside its key.
void add_block(std::string& text, const char* key, const std::string& value) {
    if (value.find('\n') == value.npos)
        return add_line(text, key, value);
    text += std::string("  ") + key + ":\n";
    for (size_t at = 0; at < value.size();) {
        const auto end = std::min(value.find('\n', at), value.size());
        text += "    " + safe_text(value.substr(at, end - at), false) + "\n";
        at = end + 1;
    }
}

Json error_json(const Error& error) {
    return {{"error",
             {{"code", error_kind(error.code()).name},
              {"message", error.message()},
              {"hint", error.hint()},
              {"step", error.step()},
              {"details", error.details()},
              {"operation", error.op_id()}}}};
}

} // namespace

std::string error_text(const Error& error, Format format) {
    if (format != Format::Table)
        return error_json(error).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    std::string text = "banger: " + safe_text(error.message()) + "\n";
    add_line(text, "step", error.step());
    add_line(text, "try", error.hint());
    add_block(text, "details", error.details());
    add_line(text, "operation", error.op_id());
    return text;
}

void report(const Error& error, Format format) noexcept {
    try {
        std::fputs(error_text(error, format).c_str(), stderr);
    } catch (const std::exception&) {
        std::fputs("banger: out of memory\n", stderr);
    }
}

void warn(const std::string& text) noexcept {
    std::fprintf(stderr, "banger: %s\n", text.c_str());
}

} // namespace banger::cli
