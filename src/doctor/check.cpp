#include "doctor/check.hpp"

#include <algorithm>
#include <array>

namespace banger::doctor {

std::string_view verdict_name(Verdict verdict) noexcept {
    constexpr std::array<std::string_view, 4> names{"PASS", "INFO", "WARN", "FAIL"};
    return names[static_cast<size_t>(verdict)];
}

Verdict worst(const Checks& checks) noexcept {
    const auto found = std::max_element(checks.begin(), checks.end(),
                                        [](const auto& a, const auto& b) { return a.verdict < b.verdict; });
    return found == checks.end() ? Verdict::Pass : found->verdict;
}

} // namespace banger::doctor
