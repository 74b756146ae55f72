#include "cli/catalog_verb.hpp"
#include "cli/command.hpp"
#include "cli/each.hpp"

#include <memory>

namespace banger::cli {

Action kernel_delete(CLI::App& app, Invocation& invocation) {
    const auto verb = catalog_delete_verb("kernel", [](ManagerProxy& proxy, const bus::Variants& options) {
        return proxy.ListKernels(options);
    });
    auto words = std::make_shared<TargetWords>();
    words->declare(app, verb);
    return [&invocation, verb, words] {
        return call_each(invocation, *words, verb, {},
                         [](ManagerProxy& proxy, const std::string& name, const bus::Variants& all) {
                             proxy.DeleteKernel(name, all);
                         });
    };
}

} // namespace banger::cli
