#include "qemu/options.hpp"

#include <CLI/CLI.hpp>

#include <map>

namespace banger::qemu {

namespace {

const std::map<std::string, NullMode> null_modes{{"ordinary", NullMode::Ordinary},
                                                 {"never-ready", NullMode::NeverReady},
                                                 {"die-at-start", NullMode::DieAtStart}};

const std::map<std::string, Accelerator> accelerators{{"kvm", Accelerator::Kvm}, {"tcg", Accelerator::Tcg}};

std::string check_id(const std::string& id) {
    const bool good =
        !id.empty() && id.size() <= 64 &&
        id.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == id.npos;
    return good ? "" : "an id is 1 to 64 of [A-Za-z0-9-]";
}

} // namespace

std::optional<Options> parse_options(int argc, char** argv, int& status) {
    Options options;
    std::string accelerator = "auto";
    std::string null_mode;
    bool no_sandbox = false;
    options.settings.id = "anonymous-instance";
    CLI::App app("Firecracker's API in front of QEMU's microvm machine.", "banger-qemu");
    app.set_version_flag("--version",
                         "banger-qemu " BANGER_VERSION " (Firecracker API " + std::string(api_version) + ")");
    app.add_option("--id", options.settings.id, "The machine's id")->check(CLI::Validator(check_id, "ID"));
    app.add_option("--api-sock", options.api_socket, "The API's Unix socket, made here")->required();
    app.add_option("--tap", options.taps, "An open tap device, by its name on the host: NAME=FD");
    app.add_option("--accel", accelerator, "auto, kvm or tcg")->check(CLI::IsMember({"auto", "kvm", "tcg"}));
    app.add_option("--session-ports", options.settings.session_ports,
                   "How many connections into the guest can stand at the same time")
        ->check(CLI::Range(1, 29));
    app.add_flag("--no-sandbox", no_sandbox, "Run QEMU without its seccomp filter");
    app.add_option("--null", null_mode, "Boot nothing and answer as if: ordinary, never-ready, die-at-start")
        ->expected(0, 1)
        ->default_str("ordinary")
        ->check(CLI::IsMember(null_modes));
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        status = app.exit(error) == 0 ? 0 : 2;
        return std::nullopt;
    }
    if (app.count("--null"))
        options.null = null_modes.at(null_mode.empty() ? "ordinary" : null_mode);
    if (accelerator != "auto")
        options.settings.accelerator = accelerators.at(accelerator);
    options.settings.sandbox = !no_sandbox;
    return options;
}

} // namespace banger::qemu
