#include "cli/timeouts.hpp"

#include "cli/text.hpp"

namespace banger::cli {

void Timeouts::declare_stop(CLI::App& app) {
    app.add_option("--timeout", stop, "How long a guest may take before it is killed (20s); 0 kills at once")
        ->type_name("DURATION");
}

void Timeouts::declare_ready(CLI::App& app) {
    app.add_option("--ready-timeout", ready, "How long a guest may take to be ready (120s)")
        ->type_name("DURATION");
}

bus::Variants Timeouts::options() const {
    bus::Variants options;
    if (stop == "0")
        options["timeout-ms"] = sdbus::Variant{uint32_t{0}};
    else if (!stop.empty())
        options["timeout-ms"] = milliseconds_option(stop, "--timeout");
    if (!ready.empty())
        options["ready-timeout-ms"] = milliseconds_option(ready, "--ready-timeout");
    return options;
}

sdbus::Variant milliseconds_option(const std::string& text, std::string_view option) {
    return sdbus::Variant{static_cast<uint32_t>(parse_duration(text, option).count())}; // 30 days fit
}

} // namespace banger::cli
