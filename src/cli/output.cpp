#include "cli/output.hpp"

#include "base/error.hpp"
#include "cli/text.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace banger::cli {

namespace {

constexpr auto replace = Json::error_handler_t::replace;

/// A JSON scalar is a YAML one as well (YAML 1.2.2, chapter 1.2); so are quoted keys, but plain ones read
/// better.
std::string scalar(const Json& value) {
    return value.dump(-1, ' ', false, replace);
}

void write_yaml(const Json& value, const std::string& indent, std::string& text);

void write_member(const std::string& key, const Json& value, const std::string& indent, std::string& text) {
    text += key + ":";
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

std::string Table::text() const {
    std::vector<size_t> widths(rows_.front().size());
    for (const auto& row : rows_)
        for (size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], display_width(row[i]));
    std::string text;
    for (const auto& row : rows_) {
        for (size_t i = 0; i < row.size(); ++i) {
            text += row[i];
            if (i + 1 < row.size())
                text.append(widths[i] - display_width(row[i]) + 2, ' ');
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
