#include "cli/command.hpp"
#include "cli/system_report.hpp"

#include <memory>

namespace banger::cli {

Action system_uninstall(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<install::UninstallOptions>();
    app.add_flag("--purge", options->purge,
                 "Also /etc/banger, /var/lib/banger, /run/banger, and changed files");
    app.add_flag("--force", options->force, "Although VMs run: they are killed");
    app.add_option("--root", options->root, "Remove what was installed below this folder")->type_name("DIR");
    return [&invocation, options] {
        const auto report = install::uninstall(*options);
        print(invocation.format == Format::Table ? uninstall_text(report, options->purge)
                                                 : structured(uninstall_json(report), invocation.format));
        return 0;
    };
}

} // namespace banger::cli
