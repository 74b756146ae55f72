#include "cli/completion.hpp"

#include "base/error.hpp"
#include "cli/command.hpp"
#include "cli/help.hpp"

#include <algorithm>
#include <map>

namespace banger::cli {

namespace {

using Words = std::vector<std::string>;

/// The kinds of names that are values of options, and what else their values can be.
const std::map<std::string, std::string>& kinds_of_options() {
    static const std::map<std::string, std::string> kinds{{"--image", "image"}, {"--kernel", "kernel"}};
    return kinds;
}

const std::map<std::string, Words>& values_of_options() {
    static const std::map<std::string, Words> values{
        {"--output", {"table", "json", "yaml"}},
        {"--vmm", {"auto", "firecracker", "qemu"}},
        {"--signal", {"TERM", "KILL", "INT", "HUP", "QUIT", "USR1", "USR2", "ABRT"}},
        {"--until", {"created", "running", "paused", "stopped", "failed"}},
        {"--filter", {"name=", "state=", "image=", "kernel="}}};
    return values;
}

/// What the words after a command name; empty: nothing that is known here.
std::string kind_of_argument(const Command& command) {
    static const std::map<std::string_view, std::string> of_vm{{"start", "resting vm"},
                                                               {"stop", "active vm"},
                                                               {"kill", "active vm"},
                                                               {"exec", "active vm"},
                                                               {"pause", "active vm"},
                                                               {"resume", "paused vm"},
                                                               {"run", ""},
                                                               {"create", ""},
                                                               {"list", ""},
                                                               {"prune", ""}};
    if (command.noun == "vm") {
        const auto found = of_vm.find(command.verb);
        return found == of_vm.end() ? "vm" : found->second;
    }
    const bool takes_names = command.verb == "delete" || command.verb == "show";
    return takes_names && (command.noun == "image" || command.noun == "kernel") ? std::string(command.noun)
                                                                                : "";
}

std::string with_meaning(std::string_view word, std::string_view meaning) {
    return std::string(word) + "\t" + std::string(meaning);
}

Words first_words() {
    Words result;
    for (const auto& noun : nouns())
        result.push_back(noun);
    result.push_back(with_meaning("instance", "A private banger to try out, without installing"));
    for (const auto& command : commands())
        if (command.noun.empty())
            result.push_back(with_meaning(command.verb, command.summary));
    return result;
}

Words second_words(const std::string& noun) {
    if (noun == "instance")
        return {"start", "stop", "status", "env", "exec"};
    Words result;
    for (const auto& command : commands())
        if (command.noun == noun)
            result.push_back(with_meaning(command.verb, command.summary));
    return result;
}

std::string long_name(const CLI::Option& option) {
    return option.get_lnames().empty() ? "" : "--" + option.get_lnames().front();
}

Words options_of(const CLI::App& app) {
    Words result;
    for (const auto* option : app.get_options())
        for (const auto& name : option->get_lnames())
            if (!option->get_group().empty()) // those are for tests
                result.push_back(with_meaning("--" + name, option->get_description()));
    return result;
}

Words values(const std::string& option, const NameSource& names) {
    if (const auto kind = kinds_of_options().find(option); kind != kinds_of_options().end())
        return names(kind->second);
    const auto known = values_of_options().find(option);
    return known == values_of_options().end() ? Words() : known->second;
}

/// What may follow a command; `words` are those after it, `last` the one that is being written.
Words after_command(const Command& command, const Words& words, const std::string& last,
                    const NameSource& names) {
    if (std::find(words.begin(), words.end(), "--") != words.end())
        return {}; // the guest's
    CLI::App app;
    Invocation invocation;
    std::string format;
    const auto action = command.declare(app, invocation);
    app.add_option("-o,--output", format, "How to print data and errors");
    const auto* before = words.empty() || words.back().size() < 2 || words.back()[0] != '-'
                             ? nullptr
                             : app.get_option_no_throw(words.back());
    if (before && before->get_items_expected_min() > 0)
        return values(long_name(*before), names);
    if (last.starts_with("-"))
        return options_of(app);
    const auto kind = kind_of_argument(command);
    auto found = kind.empty() ? Words() : names(kind);
    std::erase_if(found, [&](const std::string& name) { // not twice
        return std::find(words.begin(), words.end(), name) != words.end();
    });
    return found;
}

Words candidates(const Words& words, const NameSource& names) {
    const auto known_nouns = nouns();
    if (words.size() == 1)
        return first_words();
    const bool has_noun = std::find(known_nouns.begin(), known_nouns.end(), words[0]) != known_nouns.end();
    if (words.size() == 2 && (has_noun || words[0] == "instance"))
        return second_words(words[0]);
    const auto noun = has_noun ? words[0] : std::string();
    const auto& verb = has_noun ? words[1] : words[0];
    if (verb == "completion" && !has_noun)
        return words.size() == 2 ? Words{"bash", "zsh", "fish"} : Words();
    const auto& all = commands();
    const auto command = std::find_if(
        all.begin(), all.end(), [&](const Command& one) { return one.noun == noun && one.verb == verb; });
    if (command == all.end())
        return {};
    return after_command(*command, Words(words.begin() + (has_noun ? 2 : 1), words.end() - 1), words.back(),
                         names);
}

} // namespace

std::vector<std::string> completions(const std::vector<std::string>& words, const NameSource& names) {
    if (words.empty())
        return {};
    auto found = candidates(words, names);
    std::erase_if(found, [&](const std::string& word) { return !word.starts_with(words.back()); });
    return found;
}

Action completion(CLI::App& app, Invocation&) {
    auto shell = std::make_shared<std::string>();
    app.add_option("SHELL", *shell, "bash, zsh or fish")->required()->type_name("");
    app.footer("For this shell alone: source <(banger completion bash)");
    return [shell] {
        if (*shell != "bash" && *shell != "zsh" && *shell != "fish")
            throw Error(ErrorCode::InvalidArgument, "there is no completion for '" + *shell + "'",
                        "the shells are bash, zsh and fish");
        print(*shell == "bash" ? bash_completion : *shell == "zsh" ? zsh_completion : fish_completion);
        return 0;
    };
}

} // namespace banger::cli
