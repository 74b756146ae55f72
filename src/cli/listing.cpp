#include "cli/listing.hpp"

#include "base/error.hpp"

namespace banger::cli {

void ListOptions::declare(CLI::App& app) {
    app.add_flag("-q,--quiet", quiet, "Only names");
    app.add_flag("--no-header", no_header, "No headings above the table");
    app.add_option("--filter", filters, "Only those with this value, which may be a pattern: state=running")
        ->type_name("KEY=VALUE")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void ListOptions::check(Format format) const {
    if (quiet && format != Format::Table)
        throw Error(ErrorCode::InvalidArgument, "--quiet and --output contradict each other");
}

void Listing::add(const Json& object, std::vector<std::string> cells) {
    if (!filters_.admit(object))
        return;
    table_.add(std::move(cells));
    objects_.push_back(object);
}

std::string Listing::text(const ListOptions& options, Format format) const {
    if (format != Format::Table)
        return structured(objects_, format);
    if (!options.quiet)
        return table_.text(!options.no_header);
    std::string names;
    for (const auto& object : objects_)
        names += object.at("name").get<std::string>() + "\n";
    return names;
}

} // namespace banger::cli
