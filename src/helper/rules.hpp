// Every method of org.banger.Helper1, with the polkit action that guards it and the object that must be the
// caller's.
#pragma once

#include <array>
#include <string_view>

namespace banger::helper {

/// polkit's actions (polkit/org.banger.helper.policy).
enum class Action { Network, Resolver, Storage, GuestFiles, Machine };

std::string_view polkit_action(Action action) noexcept;

/// Which of a call's objects the ledger is asked about. A VM is the caller's by construction: the ledger's
/// key is the caller's uid and the id, so that ids of different owners never meet. Bridges are named by their
/// link.
enum class Owned { None, Vm, Bridge, VmAndBridge };

struct Rule {
    std::string_view interface; ///< after "org.banger.Helper1."
    std::string_view method;
    Action action;
    Owned owned;
    bool changes; ///< logged as info when it went well; else as debug
};

inline constexpr std::array<Rule, 19> rules{{
    {"Network", "EnsureBridge", Action::Network, Owned::Bridge, true},
    {"Network", "DeleteBridge", Action::Network, Owned::Bridge, true},
    {"Network", "CreateTap", Action::Network, Owned::VmAndBridge, true},
    {"Network", "DeleteTap", Action::Network, Owned::Vm, true},
    {"Network", "SetNat", Action::Network, Owned::Vm, true},
    {"Network", "SetResolver", Action::Resolver, Owned::Bridge, true},
    {"Network", "ClearResolver", Action::Resolver, Owned::Bridge, true},
    {"Storage", "CreateSnapshot", Action::Storage, Owned::Vm, true},
    {"Storage", "CheckSnapshot", Action::Storage, Owned::Vm, true},
    {"Storage", "RemoveSnapshot", Action::Storage, Owned::Vm, true},
    {"Storage", "ReadImageFile", Action::GuestFiles, Owned::Vm, false},
    {"Storage", "WriteImageFiles", Action::GuestFiles, Owned::Vm, true},
    {"Machine", "Launch", Action::Machine, Owned::Vm, true},
    {"Machine", "Inspect", Action::Machine, Owned::Vm, false},
    {"Machine", "List", Action::Machine, Owned::None, false},
    {"Machine", "Signal", Action::Machine, Owned::Vm, true},
    {"Machine", "Kill", Action::Machine, Owned::Vm, true},
    {"Machine", "Wait", Action::Machine, Owned::Vm, false},
    {"Machine", "Cleanup", Action::Machine, Owned::Vm, true},
}};

/// Null for what is not in the table.
const Rule* rule_for(std::string_view method) noexcept;

} // namespace banger::helper
