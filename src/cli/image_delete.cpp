#include "cli/command.hpp"
#include "cli/each.hpp"

#include <memory>

namespace banger::cli {

Action image_delete(CLI::App& app, Invocation& invocation) {
    auto names = std::make_shared<std::vector<std::string>>();
    app.add_option("NAME", *names, "Images that no VM uses")->required()->type_name("");
    return [&invocation, names] {
        Manager manager(invocation.op);
        for_each_name(invocation, *names, [&](const std::string& name) {
            manager.call([&](ManagerProxy& proxy) { proxy.DeleteImage(name, manager.options()); });
        });
        return 0;
    };
}

} // namespace banger::cli
