#include "cli/build_options.hpp"

#include "base/error.hpp"
#include "base/names.hpp"
#include "base/size.hpp"

namespace banger::cli {

void BuildOptions::declare(CLI::App& app) {
    app.add_option("NAME", name, "The image's name")->required()->type_name("");
    app.add_option("--suite", suite, "The distribution's release, such as bookworm")
        ->required()
        ->type_name("SUITE");
    app.add_option("--include", include, "Further packages, with commas between; may be repeated")
        ->delimiter(',')
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->type_name("PACKAGE,…");
    app.add_option("--mirror", mirror, "Where packages come from")->type_name("URL");
    app.add_option("--size", size, "How big guests see it: 4G")->type_name("SIZE");
}

bus::Variants BuildOptions::request() const {
    bus::Variants request{{"name", sdbus::Variant{StoreName::parse(name, "image name").str()}},
                          {"suite", sdbus::Variant{suite}}};
    if (!include.empty())
        request["include"] = sdbus::Variant{include};
    if (!mirror.empty())
        request["mirror"] = sdbus::Variant{mirror};
    if (size.empty())
        return request;
    try {
        request["size-bytes"] = sdbus::Variant{parse_size(size)};
    } catch (const Error& error) {
        throw Error(error.code(), "--size: " + error.message(), error.hint());
    }
    return request;
}

} // namespace banger::cli
