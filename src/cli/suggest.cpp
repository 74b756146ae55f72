#include "cli/suggest.hpp"

#include <algorithm>

namespace banger::cli {

namespace {

size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<size_t>> table(a.size() + 1, std::vector<size_t>(b.size() + 1));
    for (size_t i = 0; i <= a.size(); ++i)
        table[i][0] = i;
    for (size_t j = 0; j <= b.size(); ++j)
        table[0][j] = j;
    for (size_t i = 1; i <= a.size(); ++i) {
        for (size_t j = 1; j <= b.size(); ++j) {
            const size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
            table[i][j] = std::min({table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + change});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                table[i][j] = std::min(table[i][j], table[i - 2][j - 2] + 1);
        }
    }
    return table[a.size()][b.size()];
}

} // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
    constexpr size_t longest = 64; // nobody mistypes a word into a novel
    if (word.empty() || word.size() > longest)
        return {};
    size_t best = std::max<size_t>(word.size() / 3, word.size() > 3 ? 2 : 1) + 1;
    std::string result;
    for (const auto& candidate : candidates) {
        const auto far = candidate.starts_with(word) ? 1 : distance(word, candidate);
        // As many changes as there are letters is another word.
        if (far < best && far < std::max(candidate.size(), word.size())) {
            best = far;
            result = candidate;
        }
    }
    return result;
}

} // namespace banger::cli
