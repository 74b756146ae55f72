#include "cli/filters.hpp"

#include "base/error.hpp"
#include "cli/arguments.hpp"
#include "cli/text.hpp"

#include <fnmatch.h>

#include <algorithm>

namespace banger::cli {

namespace {

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const auto& word : words)
        text += (text.empty() ? "" : ", ") + word;
    return text;
}

std::string text_of(const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
}

} // namespace

Filters::Filters(const std::vector<std::string>& words, const std::vector<std::string>& known) {
    for (const auto& word : words) {
        const auto equals = word.find('=');
        if (equals == word.npos)
            throw Error(ErrorCode::InvalidArgument, "--filter: '" + safe_text(word, false) + "' has no value",
                        "write KEY=VALUE");
        auto key = word.substr(0, equals);
        std::replace(key.begin(), key.end(), '-', '_');
        if (std::find(known.begin(), known.end(), key) == known.end())
            refuse_unknown("filter", "", key, known, "the keys are " + joined(known));
        wanted_[key].push_back(word.substr(equals + 1));
    }
}

bool Filters::admit(const Json& object) const {
    return std::all_of(wanted_.begin(), wanted_.end(), [&](const auto& filter) {
        const auto member = object.find(filter.first);
        const auto text = member == object.end() ? "" : text_of(*member);
        return std::any_of(filter.second.begin(), filter.second.end(),
                           [&](const std::string& value) { return pattern_fits(value, text); });
    });
}

bool is_pattern(std::string_view word) {
    return word.find_first_of("*?[") != word.npos;
}

bool pattern_fits(const std::string& pattern, const std::string& text) {
    return ::fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
}

} // namespace banger::cli
