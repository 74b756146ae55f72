#include "cli/command.hpp"
#include "cli/report.hpp"
#include "cli/system_report.hpp"

#include <memory>

namespace banger::cli {

Action system_install(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<install::InstallOptions>();
    app.add_option("--owner", options->owners,
                   "An account whose daemon may use the root helper; again for more. Those named are all "
                   "(default: as "
                   "it was)")
        ->type_name("USER");
    app.add_option("--firecracker", options->firecracker, "Where firecracker is (default: looked for)")
        ->type_name("PATH");
    app.add_option("--jailer", options->jailer, "Where its jailer is (default: looked for)")
        ->type_name("PATH");
    app.add_option("--root", options->root, "Write below this folder, and reload nothing")->type_name("DIR");
    app.add_flag("--overwrite", options->overwrite, "Replace files that were changed by hand, too");
    app.add_flag("--dry-run", options->dry_run, "Only tell what would be changed");
    return [&invocation, options] {
        const auto report = install::install(*options);
        for (const auto& warning : report.warnings)
            warn(warning);
        print(invocation.format == Format::Table ? install_text(report, options->dry_run)
                                                 : structured(install_json(report), invocation.format));
        return 0;
    };
}

} // namespace banger::cli
