#include "cli/catalog_verb.hpp"

#include "cli/properties.hpp"

namespace banger::cli {

Verb catalog_delete_verb(
    std::string_view kind,
    std::function<std::vector<bus::Variants>(ManagerProxy&, const bus::Variants&)> list) {
    Verb verb{.infinitive = "delete", .kind = kind, .takes_all = true, .asks_first = true};
    verb.candidates = [list = std::move(list)](Manager& manager) {
        std::vector<Candidate> candidates;
        for (const auto& one :
             manager.call([&](ManagerProxy& proxy) { return list(proxy, manager.options()); }))
            candidates.push_back({property<std::string>(one, "Name")});
        return candidates;
    };
    return verb;
}

} // namespace banger::cli
