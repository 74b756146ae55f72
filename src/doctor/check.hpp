// What a look at the host finds: one thing that was checked, how it stands, and what to do.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace banger::doctor {

enum class Verdict {
    Pass, ///< as it should be
    Info, ///< worth knowing; nothing to do
    Warn, ///< works, but not as well, or not as safely, as it could
    Fail, ///< does not work, or a promise is broken
};

/// "PASS", "INFO", "WARN", "FAIL".
std::string_view verdict_name(Verdict verdict) noexcept;

struct Check {
    std::string id; ///< "host.kvm"; stable, for programs
    Verdict verdict = Verdict::Pass;
    std::string finding;         ///< for people: what is there
    std::string advice{};        ///< what to do; empty: nothing
    std::function<void()> fix{}; ///< does it, where that is safe; throws Error
};

using Checks = std::vector<Check>;

/// The worst of them; Pass when there is none.
Verdict worst(const Checks& checks) noexcept;

} // namespace banger::doctor
