#include "cli/command.hpp"
#include "cli/system_report.hpp"

#include <memory>

namespace banger::cli {

Action system_status(CLI::App& app, Invocation& invocation) {
    auto root = std::make_shared<std::string>();
    app.add_option("--root", *root, "Look below this folder")->type_name("DIR");
    return [&invocation, root] {
        const auto report = install::status(*root);
        print(invocation.format == Format::Table ? system_status_text(report)
                                                 : structured(system_status_json(report), invocation.format));
        return system_status_exit(report);
    };
}

} // namespace banger::cli
