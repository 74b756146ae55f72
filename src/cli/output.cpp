#include "cli/output.hpp"

#include "base/error.hpp"
#include "cli/text.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <set>

namespace banger::cli {

namespace {

constexpr auto replace = Json::error_handler_t::replace;

/// What JSON allows in a string and YAML does not, or takes for a line break (YAML 1.2.2, 5.1 and 5.4; 1.1
/// breaks lines at U+0085, U+2028 and U+2029).
/// The first character of `text`, which takes `length` bytes there, as YAML shall have it.
std::string yaml_safe(std::string_view text, size_t& length) {
    const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
    length = 1;
    if (byte(0) == 0x7F)
        return "\\x7F";
    std::array<char, 8> hex{};
    if (byte(0) == 0xC2 && byte(1) < 0xA0) {
        length = 2;
        std::snprintf(hex.data(), hex.size(), "\\x%02X", byte(1));
        return hex.data();
    }
    length = 3;
    if (byte(0) == 0xE2 && byte(1) == 0x80 && (byte(2) == 0xA8 || byte(2) == 0xA9))
        return byte(2) == 0xA8 ? "\\u2028" : "\\u2029";
    if (byte(0) == 0xEF && byte(1) == 0xBB && byte(2) == 0xBF)
        return "\\uFEFF";
    if (byte(0) == 0xEF && byte(1) == 0xBF && byte(2) >= 0xBE)
        return byte(2) == 0xBE ? "\\uFFFE" : "\\uFFFF";
    length = 1;
    return std::string(text.substr(0, 1));
}

/// A JSON scalar is a YAML one as well (YAML 1.2.2, chapter 1.2), but for some characters.
std::string scalar(const Json& value) {
    const auto json = value.dump(-1, ' ', false, replace);
    std::string text;
    for (size_t at = 0, length = 0; at < json.size(); at += length)
        text += yaml_safe(std::string_view(json).substr(at), length);
    return text;
}

/// Quoted keys would do; plain ones read better, where they cannot be taken for anything else.
std::string yaml_key(const std::string& key) {
    static const std::set<std::string_view> taken{"y",   "n",    "yes",  "no",   "on",
                                                  "off", "null", "true", "false"};
    const bool plain =
        !key.empty() && !taken.contains(key) &&
        std::all_of(key.begin(), key.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
    return plain ? key : scalar(key);
}

void write_yaml(const Json& value, const std::string& indent, std::string& text);

void write_member(const std::string& key, const Json& value, const std::string& indent, std::string& text) {
    text += yaml_key(key) + ":";
    if (value.is_structured() && !value.empty()) {
        text += "\n" + indent + "  ";
        write_yaml(value, indent + "  ", text);
    } else {
        text += " " + scalar(value) + "\n";
    }
}

/// Writes `value` where the cursor stands already at `indent`.
void write_yaml(const Json& value, const std::string& indent, std::string& text) {
    if (!value.is_structured() || value.empty()) {
        text += scalar(value) + "\n";
        return;
    }
    bool first = true;
    for (const auto& [key, member] : value.items()) {
        if (!first)
            text += indent;
        first = false;
        if (value.is_object()) {
            write_member(key, member, indent, text);
        } else {
            text += "- ";
            write_yaml(member, indent + "  ", text);
        }
    }
}

} // namespace

Format parse_format(std::string_view name) {
    if (name == "table")
        return Format::Table;
    if (name == "json")
        return Format::Json;
    if (name == "yaml")
        return Format::Yaml;
    throw Error(ErrorCode::InvalidArgument, "there is no output format '" + safe_text(name) + "'",
                "the formats are table, json and yaml");
}

void Table::add(std::vector<std::string> cells) {
    for (auto& cell : cells)
        cell = cell.empty() ? "-" : safe_text(cell, false);
    cells.resize(rows_.front().size());
    rows_.push_back(std::move(cells));
}

std::string Table::text(bool header) const {
    std::vector<size_t> widths(rows_.front().size());
    for (const auto& row : rows_)
        for (size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], display_width(row[i]));
    std::string text;
    for (auto row = rows_.begin() + (header ? 0 : 1); row != rows_.end(); ++row) {
        for (size_t i = 0; i < row->size(); ++i) {
            text += (*row)[i];
            if (i + 1 < row->size())
                text.append(widths[i] - display_width((*row)[i]) + 2, ' ');
        }
        text += '\n';
    }
    return text;
}

std::string describe(const std::vector<std::pair<std::string, std::string>>& lines) {
    size_t width = 0;
    for (const auto& [key, value] : lines)
        width = std::max(width, display_width(key));
    std::string text;
    for (const auto& [key, value] : lines) {
        text += key + ":" + std::string(width - display_width(key) + 2, ' ');
        text += value.empty() ? "-" : safe_text(value, false);
        text += '\n';
    }
    return text;
}

std::string structured(const Json& data, Format format) {
    if (format != Format::Yaml)
        return data.dump(2, ' ', false, replace) + "\n";
    std::string text;
    write_yaml(data, "", text);
    return text;
}

void print(std::string_view text) {
    while (!text.empty()) {
        const auto n = ::write(STDOUT_FILENO, text.data(), text.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EPIPE)
            return;
        if (n < 0)
            throw_errno("write to standard output");
        text.remove_prefix(static_cast<size_t>(n));
    }
}

} // namespace banger::cli
