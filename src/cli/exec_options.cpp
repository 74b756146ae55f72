#include "cli/exec_options.hpp"

#include "agent/client.hpp"
#include "base/error.hpp"
#include "cli/text.hpp"

#include <unistd.h>

#include <cstdlib>

namespace banger::cli {

namespace {

/// The guest's own shell; bash where it has one.
const std::vector<std::string> login_shell{
    "/bin/sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash -l; exec /bin/sh -l"};

std::string own_variable(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

/// NAME=VALUE as it stands; NAME alone takes the value from banger's own environment, and nothing when it is
/// not set there.
std::vector<std::pair<std::string, std::string>> variables(const std::vector<std::string>& words) {
    std::vector<std::pair<std::string, std::string>> result;
    for (const auto& word : words) {
        const auto equals = word.find('=');
        const auto name = word.substr(0, equals);
        if (name.empty())
            throw Error(ErrorCode::InvalidArgument, "--env: '" + safe_text(word, false) + "' has no name",
                        "write NAME=VALUE, or NAME to take it from your own environment");
        if (equals != word.npos)
            result.emplace_back(name, word.substr(equals + 1));
        else if (std::getenv(name.c_str()))
            result.emplace_back(name, own_variable(name.c_str()));
    }
    return result;
}

} // namespace

Terminals Terminals::of_process() {
    return {::isatty(STDIN_FILENO) == 1, ::isatty(STDOUT_FILENO) == 1};
}

void ExecOptions::declare(CLI::App& app) {
    app.add_option("-e,--env", env, "A variable for the command: NAME=VALUE, or NAME to take it from here")
        ->type_name("NAME[=VALUE]")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    app.add_option("-w,--workdir", workdir, "The folder in the guest where the command begins")
        ->type_name("FOLDER");
    app.add_option("-u,--user", user, "The user in the guest that the command runs as (root)")
        ->type_name("USER");
    app.add_option("--timeout", timeout, "End the command after this time; its status is then 124")
        ->type_name("DURATION");
    app.add_flag("-t,--tty", tty, "Give the command a terminal, even if there is none here");
    app.add_flag("-T,--no-tty", no_tty, "Give the command no terminal, even if there is one here");
    app.add_flag("-i,--interactive", interactive, "Pass standard input on (as is done without it, too)");
}

bool ExecOptions::given() const {
    return !env.empty() || !workdir.empty() || !user.empty() || !timeout.empty() || tty || no_tty ||
           interactive;
}

agent::ExecRequest ExecOptions::request(const std::optional<std::vector<std::string>>& command,
                                        Terminals terminals, const std::string& usage) const {
    if (tty && no_tty)
        throw Error(ErrorCode::InvalidArgument, "--tty and --no-tty contradict each other");
    if (command && (command->empty() || command->front().empty()))
        throw Error(ErrorCode::InvalidArgument, "there is no command after --", usage);
    if (!command && (no_tty || !terminals.both()))
        throw Error(ErrorCode::InvalidArgument,
                    "a shell needs a terminal, but standard input and output are not both one", usage);
    agent::ExecRequest request;
    request.argv = command ? *command : login_shell;
    request.env = variables(env);
    request.cwd = workdir;
    request.user = user;
    request.tty = !no_tty && (tty || terminals.both());
    if (request.tty)
        request.term = own_variable("TERM");
    if (!timeout.empty())
        request.timeout_ms = static_cast<uint64_t>(parse_duration(timeout, "--timeout").count());
    return request;
}

int exec_in_guest(int fd, agent::ExecRequest request, Terminals terminals, const std::string& op_id) {
    if (request.tty && terminals.out) {
        const auto size = agent::terminal_size(STDOUT_FILENO);
        request.rows = size.rows;
        request.cols = size.cols;
    }
    agent::ExecStreams streams;
    streams.terminal = terminals.in;
    streams.forward_signals = true;
    streams.greeting_to_come = true;
    return agent::exec(fd, request, streams, op_id);
}

} // namespace banger::cli
