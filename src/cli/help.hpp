// Help texts above single commands; theirs are CLI11's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace banger::cli {

/// `banger --help`.
std::string program_help();
/// `banger vm --help`.
std::string noun_help(std::string_view noun);

/// The nouns, without those that other folders bring along.
std::vector<std::string> nouns();
std::vector<std::string> verbs_of(std::string_view noun);

} // namespace banger::cli
