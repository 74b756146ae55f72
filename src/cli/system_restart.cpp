#include "cli/command.hpp"
#include "install/install.hpp"

#include <memory>

namespace banger::cli {

Action system_restart(CLI::App& app, Invocation& invocation) {
    auto daemons = std::make_shared<bool>(false);
    app.add_flag("--daemons", *daemons,
                 "Also end the owners' daemons; the bus starts them when they are called");
    return [&invocation, daemons] {
        const auto notes = install::restart(*daemons);
        std::string text;
        for (const auto& note : notes)
            text += note + "\n";
        print(invocation.format == Format::Table ? text : structured({{"notes", notes}}, invocation.format));
        return 0;
    };
}

} // namespace banger::cli
