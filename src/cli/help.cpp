#include "cli/help.hpp"

#include "cli/command.hpp"
#include "cli/text.hpp"

#include <algorithm>

namespace banger::cli {

namespace {

std::string line(const std::string& words, std::string_view summary) {
    constexpr size_t column = 18;
    return "  " + words + std::string(column - std::min(column - 1, words.size()), ' ') +
           std::string(summary) + "\n";
}

std::string lines_of(std::string_view noun) {
    std::string text;
    for (const auto& command : commands())
        if (command.noun == noun)
            text += line((noun.empty() ? "" : std::string(noun) + " ") + std::string(command.verb),
                         command.summary);
    return text;
}

} // namespace

std::vector<std::string> nouns() {
    std::vector<std::string> names;
    for (const auto& command : commands())
        if (!command.noun.empty() && std::find(names.begin(), names.end(), command.noun) == names.end())
            names.emplace_back(command.noun);
    return names;
}

std::vector<std::string> verbs_of(std::string_view noun) {
    std::vector<std::string> names;
    for (const auto& command : commands())
        if (command.noun == noun)
            names.emplace_back(command.verb);
    return names;
}

std::string program_help() {
    std::string text = "banger runs commands in throwaway microVMs.\n\n"
                       "Usage: banger COMMAND [OPTIONS] …\n\n";
    for (const auto& noun : nouns())
        text += lines_of(noun) + "\n";
    text += line("instance", "A private banger to try out, without installing");
    text += lines_of("");
    text += "\n`banger COMMAND --help` tells what a command takes; banger(1) tells it all.\n"
            "Example: banger vm run --rm ./repo -- make test\n";
    return text;
}

std::string noun_help(std::string_view noun) {
    return "Usage: banger " + std::string(noun) + " COMMAND [OPTIONS] …\n\n" + lines_of(noun) + "\n`banger " +
           std::string(noun) + " COMMAND --help` tells what a command takes.\n";
}

} // namespace banger::cli
