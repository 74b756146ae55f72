#include "instance/commands.hpp"

#include "base/error.hpp"
#include "instance/exec.hpp"
#include "instance/lifecycle.hpp"

#include <cstdio>
#include <memory>

namespace banger::instance {

namespace {

void say(std::FILE* out, const std::string& text) {
    std::fputs(text.c_str(), out);
    std::fflush(out);
}

void warn_when_fresh(const Started& started) {
    if (started.fresh)
        say(stderr, std::string(warning_text) + "\n");
}

/// The options of start and env, which starts too.
struct StartWords {
    StartOptions options;
    std::string network = "auto";
    std::string polkit = "real";

    void add_to(CLI::App& command) {
        command.add_option("--name", options.name, "which instance (default: default)");
        command.add_option("--state", options.state, "folder for what outlives a stop")->type_name("DIR");
        command.add_option("--network", network, "uplink (through slirp4netns), none, or auto (default)");
        command.add_option("--polkit", polkit,
                           "real (default), or none: for trying what happens without polkitd");
    }

    StartOptions parsed() {
        options.network = parse_network(network);
        if (polkit != "real" && polkit != "none")
            throw Error(ErrorCode::InvalidArgument, "there is no polkit \"" + polkit + "\"",
                        "use real or none");
        options.polkit = polkit == "real";
        return options;
    }
};

void add_start(CLI::App& group) {
    auto words = std::make_shared<StartWords>();
    auto* command = group.add_subcommand("start", "Start an instance, unless it runs already");
    words->add_to(*command);
    command->callback([words] {
        const auto started = start(words->parsed());
        warn_when_fresh(started);
        const auto& name = started.status.layout.name;
        say(stdout, "The instance \"" + name + "\" is running" + (started.fresh ? "" : " already") +
                        ". To use it in this shell:\n  eval \"$(banger instance env --name " + name +
                        ")\"\n");
    });
}

void add_stop(CLI::App& group) {
    auto options = std::make_shared<StopOptions>();
    auto* command = group.add_subcommand("stop", "End an instance and all that runs in it");
    command->add_option("--name", options->name, "which instance (default: default)");
    command->add_option("--state", options->state, "its state folder, for --purge of a stopped one")
        ->type_name("DIR");
    command->add_flag("--purge", options->purge, "also remove its images, machines and logs");
    command->callback([options] {
        const bool ended = stop(*options);
        say(stdout,
            "The instance \"" + options->name + (ended ? "\" is stopped.\n" : "\" was not running.\n"));
    });
}

void add_status(CLI::App& group) {
    struct Words {
        std::string name = "default";
        std::string output = "table";
    };
    auto words = std::make_shared<Words>();
    auto* command =
        group.add_subcommand("status", "Show an instance; exit status 0 running, 1 degraded, 3 stopped");
    command->add_option("--name", words->name, "which instance (default: default)");
    command->add_option("-o,--output", words->output, "table (default) or json");
    command->callback([words] {
        if (words->output != "table" && words->output != "json")
            throw Error(ErrorCode::InvalidArgument, "there is no output \"" + words->output + "\"",
                        "use table or json");
        require_root();
        const auto status = inspect(layout_of(words->name));
        say(stdout, words->output == "json" ? status_json(status) : status_text(status));
        throw CLI::RuntimeError(status_exit(status.state));
    });
}

void add_env(CLI::App& group) {
    auto words = std::make_shared<StartWords>();
    auto* command =
        group.add_subcommand("env", "Print what a shell needs to use an instance, which is started first");
    words->add_to(*command);
    command->callback([words] {
        const auto started = start(words->parsed());
        warn_when_fresh(started);
        say(stdout, shell_environment(started.status));
    });
}

void add_exec(CLI::App& group) {
    auto options = std::make_shared<ExecOptions>();
    auto* command = group.add_subcommand("exec", "Run a command inside an instance");
    command->add_option("--name", options->name, "which instance (default: default)");
    command->add_option("--user", options->user,
                        "owner (default), other, stranger, root, an account's name, or a uid");
    command->add_option("command", options->command, "the command, after -- when it has options")
        ->type_name("COMMAND");
    // From the first option on that is not ours, all belongs to the command.
    command->prefix_command();
    command->callback([options, command] {
        auto rest = command->remaining();
        if (!rest.empty() && rest.front() == "--") // CLI11 keeps the mark there, its words not
            rest.erase(rest.begin());
        options->command.insert(options->command.end(), rest.begin(), rest.end());
        throw CLI::RuntimeError(exec(*options));
    });
}

} // namespace

void add_instance_commands(CLI::App& app) {
    auto* group = app.add_subcommand("instance", "A private machine to try and test banger in (needs root)");
    group->require_subcommand(1);
    add_start(*group);
    add_stop(*group);
    add_status(*group);
    add_env(*group);
    add_exec(*group);
}

} // namespace banger::instance
