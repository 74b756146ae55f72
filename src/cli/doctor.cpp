#include "base/error.hpp"
#include "cli/command.hpp"
#include "cli/doctor_report.hpp"
#include "cli/report.hpp"

#include <memory>

namespace banger::cli {

namespace {

/// Puts right what can be, and looks again when it did anything.
doctor::Checks mended(doctor::Checks checks) {
    bool did = false;
    for (const auto& check : checks) {
        if (!check.fix)
            continue;
        try {
            check.fix();
            warn("mended: " + check.finding);
            did = true;
        } catch (const Error& error) {
            warn("could not mend: " + check.finding + ": " + error.message());
        }
    }
    return did ? doctor::examine() : std::move(checks);
}

} // namespace

Action doctor(CLI::App& app, Invocation& invocation) {
    auto fix = std::make_shared<bool>(false);
    app.add_flag("--fix", *fix, "Put right what can be put right safely, then look again");
    return [&invocation, fix] {
        auto checks = doctor::examine();
        if (*fix)
            checks = mended(std::move(checks));
        print(invocation.format == Format::Table ? doctor_text(checks)
                                                 : structured(doctor_json(checks), invocation.format));
        return doctor::worst(checks) == doctor::Verdict::Fail ? 1 : 0;
    };
}

} // namespace banger::cli
