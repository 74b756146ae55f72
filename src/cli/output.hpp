// What commands print on standard output: a table for people, JSON or YAML for programs.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace banger::cli {

enum class Format { Table, Json, Yaml };

/// "table", "json", "yaml"; throws InvalidArgument.
Format parse_format(std::string_view name);

using Json = nlohmann::ordered_json;

/// Rows under headings, each column as wide as its widest cell, two spaces between.
class Table {
public:
    explicit Table(std::vector<std::string> headings)
        : rows_{std::move(headings)} {}
    /// As many cells as there are headings; what is no printable text in them is made so.
    void add(std::vector<std::string> cells);
    /// `header`: with the headings, which count for the widths either way.
    std::string text(bool header = true) const;

private:
    std::vector<std::vector<std::string>> rows_;
};

/// "key:  value" lines, aligned.
std::string describe(const std::vector<std::pair<std::string, std::string>>& lines);

/// Indented JSON, or YAML 1.2, with a newline at its end. Bytes that are not UTF-8 are replaced.
std::string structured(const Json& data, Format format);

/// Writes all of it to standard output; throws Error when that fails (a full disk), but a reader that went
/// away is no error.
void print(std::string_view text);

} // namespace banger::cli
