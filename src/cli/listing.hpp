// Lists: which of the things they show, and how.
#pragma once

#include "cli/filters.hpp"
#include "cli/output.hpp"

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace banger::cli {

/// The options that every list takes.
struct ListOptions {
    bool quiet = false;
    bool no_header = false;
    std::vector<std::string> filters;

    void declare(CLI::App& app);
    /// Throws InvalidArgument for what contradicts itself.
    void check(Format format) const;
};

/// Things with a name, each as an object for programs and a row for people. Those that the filters do not
/// admit are left out.
class Listing {
public:
    Listing(std::vector<std::string> headings, Filters filters)
        : table_(std::move(headings))
        , filters_(std::move(filters)) {}

    /// `object` has a member "name".
    void add(const Json& object, std::vector<std::string> cells);
    std::string text(const ListOptions& options, Format format) const;
    bool empty() const { return objects_.empty(); }

private:
    Table table_;
    Filters filters_;
    Json objects_ = Json::array();
};

} // namespace banger::cli
