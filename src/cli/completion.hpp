// What a shell offers when Tab is pressed.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace banger::cli {

/// src/cli/completion/banger.*
extern const std::string_view bash_completion;
extern const std::string_view zsh_completion;
extern const std::string_view fish_completion;

/// Names of a kind: "image", "kernel", "vm", "active vm", "resting vm", "paused vm".
using NameSource = std::function<std::vector<std::string>(const std::string& kind)>;

/// What may stand in place of the last of `words`, which begin after the program's name: each a word, or a
/// word, a tab and what it means. Nothing where files are as good as anything.
std::vector<std::string> completions(const std::vector<std::string>& words, const NameSource& names);

/// Prints them. Takes at most a second, starts no service, and never fails or complains: there is nobody to
/// read that.
int complete(const std::vector<std::string>& words) noexcept;

} // namespace banger::cli
