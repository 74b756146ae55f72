#include "cli/catalog_verb.hpp"
#include "cli/command.hpp"
#include "cli/each.hpp"

#include <memory>

namespace banger::cli {

Action image_delete(CLI::App& app, Invocation& invocation) {
    const auto verb = catalog_delete_verb(
        "image", [](ManagerProxy& proxy, const bus::Variants& options) { return proxy.ListImages(options); });
    auto words = std::make_shared<TargetWords>();
    words->declare(app, verb);
    return [&invocation, verb, words] {
        return call_each(invocation, *words, verb, {},
                         [](ManagerProxy& proxy, const std::string& name, const bus::Variants& all) {
                             proxy.DeleteImage(name, all);
                         });
    };
}

} // namespace banger::cli
