#include "helper/rules.hpp"

#include <algorithm>

namespace banger::helper {

std::string_view polkit_action(Action action) noexcept {
    switch (action) {
    case Action::Network:
        return "org.banger.helper.network";
    case Action::Resolver:
        return "org.banger.helper.resolver";
    case Action::Storage:
        return "org.banger.helper.storage";
    case Action::GuestFiles:
        return "org.banger.helper.guest-files";
    case Action::Machine:
        return "org.banger.helper.machine";
    }
    return "";
}

const Rule* rule_for(std::string_view method) noexcept {
    const auto found =
        std::find_if(rules.begin(), rules.end(), [&](const auto& rule) { return rule.method == method; });
    return found == rules.end() ? nullptr : &*found;
}

} // namespace banger::helper
