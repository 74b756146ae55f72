// "--filter KEY=VALUE".
#pragma once

#include "cli/output.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace banger::cli {

/// Of several values of one key any will do; of several keys each must fit (as docker and podman have it).
class Filters {
public:
    /// `words` are KEY=VALUE, where KEY is one of `known` (a dash does for an underscore) and VALUE may be a
    /// pattern of glob(7). Throws InvalidArgument.
    Filters(const std::vector<std::string>& words, const std::vector<std::string>& known);

    /// Whether the members of `object` have the values that are asked for.
    bool admit(const Json& object) const;
    bool asks_for(const std::string& key) const { return wanted_.contains(key); }

private:
    std::map<std::string, std::vector<std::string>> wanted_;
};

/// Whether `word` holds what makes a pattern of glob(7).
bool is_pattern(std::string_view word);
bool pattern_fits(const std::string& pattern, const std::string& text);

} // namespace banger::cli
