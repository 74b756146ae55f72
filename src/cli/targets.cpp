#include "cli/targets.hpp"

#include "cli/confirm.hpp"
#include "cli/filters.hpp"
#include "cli/suggest.hpp"
#include "cli/text.hpp"

#include <algorithm>

namespace banger::cli {

namespace {

bool is_named(const Candidate& candidate, const std::string& word) {
    return candidate.name == word || (!candidate.id.empty() && candidate.id == word);
}

bool has_patterns(const TargetWords& words) {
    return std::any_of(words.names.begin(), words.names.end(), is_pattern);
}

std::string plural(const Verb& verb) {
    return std::string(verb.kind) + "s";
}

Error missing(const std::string& what, const std::string& name, const Verb& verb) {
    return {ErrorCode::NotFound,
            "there is no " + std::string(verb.kind) + " " + what + " " + safe_text(name, false)};
}

/// "Would delete web (running)", or why not.
void tell_dry_run(const std::vector<std::string>& names, const Verb& verb,
                  const std::vector<Candidate>& known, Format format, Failures& failures) {
    auto array = Json::array();
    std::string text;
    for (const auto& name : names)
        failures.collect([&] {
            const auto found = std::find_if(known.begin(), known.end(), [&](const Candidate& candidate) {
                return is_named(candidate, name);
            });
            if (found == known.end())
                throw explain(missing("named", name, verb), name, known);
            if (!found->objection.empty())
                throw Error(ErrorCode::FailedPrecondition, found->objection);
            text += "Would " + std::string(verb.infinitive) + " " + found->name +
                    (found->state.empty() ? "" : " (" + found->state + ")") + "\n";
            array.push_back({{"name", found->name}});
        });
    print(format == Format::Table ? text : structured(array, format));
}

void confirm_all(const std::vector<std::string>& names, const TargetWords& words, const Verb& verb) {
    if (!words.all || !verb.asks_first || words.yes || words.dry_run || names.empty())
        return;
    std::string listed;
    for (const auto& name : names)
        listed += (listed.empty() ? "" : ", ") + safe_text(name, false);
    const auto count = names.size();
    confirm("This will " + std::string(verb.infinitive) + " " + std::to_string(count) + " " +
            (count == 1 ? std::string(verb.kind) : plural(verb)) + ": " + listed + ".");
}

void perform(Manager& manager, const std::vector<std::string>& names, const Verb& verb, const Deed& deed,
             std::vector<Candidate> known, Format format, Failures& failures) {
    const auto each = [&](const std::string& name, const auto& body) {
        try {
            body(manager, name);
            return true;
        } catch (const Error& error) {
            if (error.code() == ErrorCode::NotFound && known.empty())
                known = verb.candidates(manager);
            failures.add(explain(error, name, known));
            return false;
        }
    };
    std::vector<std::string> under_way;
    for (const auto& name : names)
        if (each(name, deed.act))
            under_way.push_back(name);
    auto done = Json::array();
    for (const auto& name : under_way)
        if (!deed.finish || each(name, deed.finish))
            done.push_back({{"name", name}});
    if (format != Format::Table)
        print(structured(done, format));
}

} // namespace

void TargetWords::declare(CLI::App& app, const Verb& verb) {
    const auto by = std::string(verb.kind) == "VM" ? "by name, id" : "by name";
    app.add_option("NAME", names, plural(verb) + ", " + by + " or pattern ('web-*')")->type_name("");
    if (verb.takes_all)
        app.add_flag("-a,--all", all, "All that there are");
    if (verb.asks_first)
        app.add_flag("-y,--yes", yes, "Do not ask before that");
    app.add_flag("--dry-run", dry_run, "Only say what would be done");
}

void TargetWords::check(const Verb& verb) const {
    if (all && !names.empty())
        throw Error(ErrorCode::InvalidArgument, "--all and names contradict each other");
    if (!all && names.empty())
        throw Error(ErrorCode::InvalidArgument,
                    "which " + plural(verb) + " to " + std::string(verb.infinitive) + "?",
                    verb.takes_all ? "give names, patterns such as 'web-*', or --all"
                                   : "give names, or patterns such as 'web-*'");
}

std::vector<std::string> expand(const TargetWords& words, const Verb& verb,
                                const std::vector<Candidate>& known, Failures& failures) {
    std::vector<std::string> names;
    const auto add = [&](const std::string& name) {
        if (std::find(names.begin(), names.end(), name) == names.end())
            names.push_back(name);
    };
    if (words.all)
        for (const auto& candidate : known)
            if (candidate.meant_by_all)
                add(candidate.name);
    for (const auto& word : words.names) {
        if (!is_pattern(word)) {
            add(word);
            continue;
        }
        bool fits = false;
        for (const auto& candidate : known)
            if (pattern_fits(word, candidate.name)) {
                add(candidate.name);
                fits = true;
            }
        if (!fits)
            failures.add(missing("whose name fits", word, verb));
    }
    return names;
}

Error explain(const Error& error, const std::string& name, const std::vector<Candidate>& known) {
    const bool is_there = std::any_of(known.begin(), known.end(),
                                      [&](const Candidate& candidate) { return is_named(candidate, name); });
    if (error.code() == ErrorCode::NotFound && !is_there) {
        std::vector<std::string> names;
        for (const auto& candidate : known)
            names.push_back(candidate.name);
        const auto meant = nearest(name, names);
        if (!meant.empty())
            return reworded(error, error.message(), "did you mean `" + meant + "`? " + error.hint());
    }
    if (error.message().find(name) != std::string::npos)
        return error;
    return reworded(error, safe_text(name, false) + ": " + error.message(), error.hint());
}

int do_to_each(const OpId& op, Format format, const TargetWords& words, const Verb& verb, const Deed& deed) {
    words.check(verb);
    Manager manager(op);
    Failures failures(format);
    std::vector<Candidate> known;
    if (words.all || words.dry_run || has_patterns(words))
        known = verb.candidates(manager);
    const auto names = expand(words, verb, known, failures);
    confirm_all(names, words, verb);
    if (words.dry_run)
        tell_dry_run(names, verb, known, format, failures);
    else
        perform(manager, names, verb, deed, known, format, failures);
    failures.finish();
    return 0;
}

} // namespace banger::cli
