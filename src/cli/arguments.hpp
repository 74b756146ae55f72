// Reading arguments: CLI11, with errors in banger's own words.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace banger::cli {

/// Parses `words` into what was declared on `app`. False when help was asked for (and printed). Throws
/// InvalidArgument, with what was probably meant as the hint.
bool parse_arguments(CLI::App& app, const std::vector<std::string>& words);

/// The same for an app with subcommands, whose callbacks do the work; the exit status. `words` begin with the
/// subcommand.
int parse_group(CLI::App& app, const std::vector<std::string>& words);

/// Whether "-o json" or the like stands among `words`, for errors that come before they could be parsed.
bool asks_for_structure(const std::vector<std::string>& words);

/// Throws InvalidArgument: `word` is no `kind` ("command") of `known`; `all` tells where they are listed.
/// `prefix` ("vm ") stands before the word, and before what was probably meant.
[[noreturn]] void refuse_unknown(const std::string& kind, const std::string& prefix, const std::string& word,
                                 const std::vector<std::string>& known, const std::string& all);

} // namespace banger::cli
