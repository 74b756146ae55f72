#include "cli/doctor_report.hpp"

#include "cli/text.hpp"

#include <algorithm>

namespace banger::cli {

namespace {

using doctor::Verdict;

std::string count(const doctor::Checks& checks, Verdict verdict, const std::string& word) {
    const auto n = std::count_if(checks.begin(), checks.end(),
                                 [&](const auto& check) { return check.verdict == verdict; });
    return std::to_string(n) + " " + word;
}

} // namespace

std::string doctor_text(const doctor::Checks& checks) {
    std::string text;
    for (const auto& check : checks) {
        text += std::string(verdict_name(check.verdict)) + "  " + safe_text(check.finding, false) + "\n";
        if (!check.advice.empty() && check.verdict != Verdict::Pass)
            text += "      " + safe_text(check.advice, false) + "\n";
    }
    return text + "\n" + count(checks, Verdict::Pass, "passed") + ", " +
           count(checks, Verdict::Warn, "warnings") + ", " + count(checks, Verdict::Fail, "failed") + "\n";
}

Json doctor_json(const doctor::Checks& checks) {
    auto list = Json::array();
    for (const auto& check : checks)
        list.push_back({{"id", check.id},
                        {"verdict", verdict_name(check.verdict)},
                        {"finding", check.finding},
                        {"advice", check.advice},
                        {"fixable", check.fix != nullptr}});
    return {{"verdict", verdict_name(worst(checks))}, {"checks", list}};
}

} // namespace banger::cli
