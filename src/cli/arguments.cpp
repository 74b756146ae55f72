#include "cli/arguments.hpp"

#include "base/error.hpp"
#include "cli/output.hpp"
#include "cli/suggest.hpp"
#include "cli/text.hpp"

#include <algorithm>

namespace banger::cli {

namespace {

std::string help_hint(const CLI::App& app) {
    return "`" + app.get_name() + " --help` tells what it takes";
}

std::vector<std::string> long_options(const CLI::App& app) {
    std::vector<std::string> names;
    for (const auto* option : app.get_options())
        for (const auto& name : option->get_lnames())
            names.push_back("--" + name);
    return names;
}

const CLI::Option* option_of(const CLI::App& app, const std::string& word) {
    const auto name = word.starts_with("--") ? word.substr(0, word.find('=')) : word.substr(0, 2);
    return app.get_option_no_throw(name);
}

/// Whether the word after this one is its value.
bool value_follows(const CLI::Option& option, const std::string& word) {
    const bool attached = word.starts_with("--") ? word.find('=') != word.npos : word.size() > 2;
    return option.get_items_expected_min() > 0 && !attached;
}

/// The first word that looks like an option and is none: reported before anything else, since the other
/// complaints about such a command line usually follow from it.
void refuse_unknown_options(const CLI::App& app, const std::vector<std::string>& words) {
    for (size_t i = 0; i < words.size(); ++i) {
        const auto& word = words[i];
        if (word.size() < 2 || word[0] != '-')
            continue;
        const auto* option = option_of(app, word);
        if (!option)
            refuse_unknown("option", "", word.substr(0, word.find('=')), long_options(app), help_hint(app));
        if (value_follows(*option, word))
            ++i;
    }
}

} // namespace

bool parse_arguments(CLI::App& app, const std::vector<std::string>& words) {
    refuse_unknown_options(app, words);
    try {
        app.parse(std::vector<std::string>(words.rbegin(), words.rend())); // CLI11 takes them from the back
        return true;
    } catch (const CLI::CallForHelp&) {
        print(app.help());
        return false;
    } catch (const CLI::ExtrasError&) {
        const auto extra = app.remaining();
        throw Error(ErrorCode::InvalidArgument,
                    "unexpected argument '" + safe_text(extra.empty() ? "" : extra.front(), false) + "'",
                    "a command for the guest stands after --; " + help_hint(app));
    } catch (const CLI::ParseError& error) {
        throw Error(ErrorCode::InvalidArgument, safe_text(error.what()), help_hint(app));
    }
}

int parse_group(CLI::App& app, const std::vector<std::string>& words) {
    auto* group = app.get_subcommands({}).at(0);
    const auto name = app.get_name() + " " + group->get_name();
    std::vector<std::string> known;
    for (const auto* command : group->get_subcommands({}))
        known.push_back(command->get_name());
    const auto all = "`" + name + " --help` lists all";
    if (words.size() > 1 && !words[1].starts_with("-") &&
        std::find(known.begin(), known.end(), words[1]) == known.end())
        refuse_unknown("command", group->get_name() + " ", words[1], known, all);
    try {
        app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
        return 0;
    } catch (const CLI::RuntimeError& status) {
        return status.get_exit_code();
    } catch (const CLI::CallForHelp&) {
        print(app.help());
        return 0;
    } catch (const CLI::ParseError& error) {
        throw Error(ErrorCode::InvalidArgument, safe_text(error.what(), false), all);
    }
}

bool asks_for_structure(const std::vector<std::string>& words) {
    const auto structured = [](std::string_view value) { return value == "json" || value == "yaml"; };
    for (size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
        const std::string_view word = words[i];
        if ((word == "-o" || word == "--output") && i + 1 < words.size() && structured(words[i + 1]))
            return true;
        for (const std::string_view start : {"-o", "--output="})
            if (word.starts_with(start) && structured(word.substr(start.size())))
                return true;
    }
    return false;
}

void refuse_unknown(const std::string& kind, const std::string& prefix, const std::string& word,
                    const std::vector<std::string>& known, const std::string& all) {
    const auto meant = nearest(word, known);
    throw Error(ErrorCode::InvalidArgument, "unknown " + kind + " '" + safe_text(prefix + word, false) + "'",
                (meant.empty() ? "" : "did you mean `" + prefix + meant + "`? ") + all);
}

} // namespace banger::cli
