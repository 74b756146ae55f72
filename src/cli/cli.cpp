#include "cli/cli.hpp"

#include "bus/errors.hpp"
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/completion.hpp"
#include "cli/help.hpp"
#include "cli/job.hpp"
#include "cli/report.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

namespace banger::cli {

namespace {

constexpr auto all_commands = "`banger --help` lists all";
constexpr int signal_status = 128; ///< + the signal's number, as shells have it

using Words = std::vector<std::string>;

bool asks_for_help(const std::string& word) {
    return word == "--help" || word == "-h" || word == "help";
}

/// The row that `words` begin with, which are then cut off; null when they ask for help (which is printed).
const Command* find_command(Words& words) {
    if (words.empty() || asks_for_help(words[0])) {
        print(program_help());
        return nullptr;
    }
    if (words[0] == "--version")
        words[0] = "version";
    const auto known_nouns = nouns();
    const bool has_noun = std::find(known_nouns.begin(), known_nouns.end(), words[0]) != known_nouns.end();
    if (has_noun && (words.size() == 1 || asks_for_help(words[1]))) {
        print(noun_help(words[0]));
        return nullptr;
    }
    const auto noun = has_noun ? words[0] : std::string();
    const auto& verb = has_noun ? words[1] : words[0];
    const auto& all = commands();
    const auto found = std::find_if(all.begin(), all.end(), [&](const Command& command) {
        return command.noun == noun && command.verb == verb;
    });
    if (found == all.end()) {
        auto known = verbs_of(noun);
        if (!has_noun)
            known.insert(known.end(), known_nouns.begin(), known_nouns.end());
        refuse_unknown("command", has_noun ? noun + " " : "", verb, known, all_commands);
    }
    words.erase(words.begin(), words.begin() + (has_noun ? 2 : 1));
    return &*found;
}

int run_command(const Command& command, Words words, Invocation& invocation) {
    const auto separator = std::find(words.begin(), words.end(), "--");
    if (separator != words.end()) {
        invocation.command.emplace(separator + 1, words.end());
        words.erase(separator, words.end());
    }
    CLI::App app{std::string(command.summary)};
    app.name("banger " + (command.noun.empty() ? "" : std::string(command.noun) + " ") +
             std::string(command.verb));
    std::string format;
    const auto action = command.declare(app, invocation);
    app.add_option("-o,--output", format, "How to print data and errors: table, json or yaml")
        ->type_name("FORMAT");
    if (!parse_arguments(app, words))
        return 0;
    if (!format.empty())
        invocation.format = parse_format(format);
    if (invocation.command && !command.takes_command)
        throw Error(ErrorCode::InvalidArgument, "`" + app.get_name() + "` takes no command after --");
    return action();
}

int dispatch(Words words, Invocation& invocation, int& failure_status) {
    if (!words.empty() && words[0] == "__complete")
        return complete({words.begin() + 1, words.end()});
    const auto* command = find_command(words);
    if (!command)
        return 0;
    if (command->takes_command)
        failure_status = run_failure_status;
    return run_command(*command, std::move(words), invocation);
}

int dispatch_group(const Words& words, void (*declare)(CLI::App&)) {
    CLI::App app;
    app.name("banger");
    declare(app);
    return parse_group(app, words);
}

/// With a standard stream closed, the next file that is opened would take its place.
void open_standard_streams() {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
        if (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) < 0)
            throw_errno("open /dev/null");
}

/// `body(words, failure_status)`, with whatever it throws told and made an exit status: `failure_status`
/// where that was set.
template <class Body>
int guarded(int argc, char** argv, Body&& body) noexcept {
    int failure_status = 0;
    auto format = Format::Table;
    try {
        open_standard_streams();
        ::signal(SIGPIPE, SIG_IGN); // a reader that went away is an error of write(2), where it matters
        const Words words(argv + std::min(argc, 1), argv + argc);
        format = asks_for_structure(words) ? Format::Json : Format::Table;
        return body(words, failure_status);
    } catch (const Interrupted& interrupted) {
        return signal_status + interrupted.signal;
    } catch (...) {
        const auto error = bus::current_error();
        report(error, format);
        return failure_status != 0 ? failure_status : error_kind(error.code()).exit_status;
    }
}

} // namespace

int run(int argc, char** argv) noexcept {
    return guarded(argc, argv, [](const Words& words, int& failure_status) {
        Invocation invocation;
        const OpScope scope(invocation.op.str());
        return dispatch(words, invocation, failure_status);
    });
}

int run_group(int argc, char** argv, void (*declare)(CLI::App&)) noexcept {
    return guarded(argc, argv,
                   [declare](const Words& words, int&) { return dispatch_group(words, declare); });
}

} // namespace banger::cli
