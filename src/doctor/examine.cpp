#include "doctor/doctor.hpp"

#include <iterator>

namespace banger::doctor {

Checks examine() {
    Checks all = check_host();
    const auto add = [&](Checks checks) {
        all.insert(all.end(), std::make_move_iterator(checks.begin()), std::make_move_iterator(checks.end()));
    };
    add(check_account());
    const auto metadata = check_metadata(all);
    if (!metadata)
        return all;
    add(check_files(*metadata));
    add(check_polkit(*metadata));
    // Before the units: a helper that runs can be looked at.
    add(check_helper(*metadata));
    add(check_units(*metadata));
    return all;
}

} // namespace banger::doctor
