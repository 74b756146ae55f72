#include "cli/run_options.hpp"

#include "base/error.hpp"
#include "cli/text.hpp"

namespace banger::cli {

void RunOptions::declare(CLI::App& app) {
    app.add_option("PATH", path,
                   "A folder of a git repository: its tracked files go into the VM, below /root")
        ->type_name("");
    spec.declare(app);
    app.add_flag("--rm", remove, "Delete the VM when it stops");
    app.add_flag("-d,--detach", detach, "Print the VM's name and leave it running");
    app.add_option("--ready-timeout", ready_timeout, "How long the guest may take to be ready (120s)")
        ->type_name("DURATION");
    exec.declare(app);
    app.footer("A command stands after --; without one, a shell: banger vm run --rm ./repo -- make test");
}

void RunOptions::check(bool has_command) const {
    if (detach && has_command)
        throw Error(ErrorCode::InvalidArgument, "--detach takes no command",
                    "leave the command out, then: banger vm exec NAME -- COMMAND …");
    if (detach && exec.given())
        throw Error(ErrorCode::InvalidArgument, "--detach runs no command, so options for one make no sense",
                    "give them to `banger vm exec`");
}

bus::Variants RunOptions::create_request() const {
    bus::Variants request;
    spec.add_to(request);
    request["start"] = sdbus::Variant{true};
    if (remove)
        request["ephemeral"] = sdbus::Variant{true};
    // Whatever becomes of this process, the VM does not outlive it.
    if (!detach)
        request["tied"] = sdbus::Variant{true};
    if (!ready_timeout.empty())
        request["ready-timeout-ms"] =
            sdbus::Variant{static_cast<uint32_t>(parse_duration(ready_timeout, "--ready-timeout").count())};
    return request;
}

} // namespace banger::cli
