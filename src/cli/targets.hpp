// Which things a verb is for: names, patterns, or all.
#pragma once

#include "cli/failures.hpp"
#include "cli/manager.hpp"
#include "cli/vm_info.hpp"

#include <CLI/CLI.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace banger::cli {

/// Something that a verb can be for.
struct Candidate {
    std::string name;
    std::string id{};         ///< which does as well as the name; empty where there is none
    std::string state{};      ///< for people; may be empty
    std::string objection{};  ///< why the verb will be refused; empty: it will not be
    bool meant_by_all = true; ///< there is something to do
};

/// What a verb says of itself.
struct Verb {
    std::string_view infinitive; ///< "delete"
    std::string_view kind;       ///< "VM"
    bool takes_all = false;
    bool asks_first = false; ///< before it is done to all
    std::function<std::vector<Candidate>(Manager& manager)> candidates{};
};

/// The words on the command line.
struct TargetWords {
    std::vector<std::string> names;
    bool all = false;
    bool yes = false;
    bool dry_run = false;

    void declare(CLI::App& app, const Verb& verb);
    /// Throws InvalidArgument for what contradicts itself, or for nothing at all.
    void check(const Verb& verb) const;
};

/// The names that patterns and --all stand for, each once, in the order of `words`, then of `known`. Plain
/// words stay as they are. A pattern that fits none of `known` is a failure.
std::vector<std::string> expand(const TargetWords& words, const Verb& verb,
                                const std::vector<Candidate>& known, Failures& failures);

/// "there is no VM named wbe", with what was probably meant as the hint; other errors as they are, but
/// beginning with the name where it is not in them.
Error explain(const Error& error, const std::string& name, const std::vector<Candidate>& known);

/// Does the verb to what `words` mean: `act(manager, name)` for each, and all before the first
/// `finish(name)`, where there is one. With --dry-run it only says so. Each failure is reported, the last one
/// thrown. Prints the names for programs.
struct Deed {
    std::function<void(Manager& manager, const std::string& name)> act;
    std::function<void(Manager& manager, const std::string& name)> finish{};
};
int do_to_each(const OpId& op, Format format, const TargetWords& words, const Verb& verb, const Deed& deed);

} // namespace banger::cli
