#include "base/error.hpp"
#include "daemon/vm/name_maker.hpp"
#include "daemon/vm/vm.hpp"

#include <doctest/doctest.h>

#include <array>

using namespace banger;
using namespace banger::daemon;

namespace {
constexpr std::array all{VmState::Created, VmState::Starting, VmState::Running, VmState::Stopping,
                         VmState::Stopped, VmState::Failed,   VmState::Deleting};
}

TEST_CASE("every state has a name, and the name leads back") {
    for (const auto state : all)
        CHECK(vm_state_named(vm_state_name(state)) == state);
    CHECK_THROWS_AS(vm_state_named("sleeping"), Error);
}

TEST_CASE("which states follow which") {
    CHECK(may_follow(VmState::Created, VmState::Starting));
    CHECK(may_follow(VmState::Failed, VmState::Starting));
    CHECK(may_follow(VmState::Starting, VmState::Running));
    CHECK(may_follow(VmState::Starting, VmState::Stopped)); // cancelled
    CHECK(may_follow(VmState::Running, VmState::Stopped));  // by itself
    CHECK(may_follow(VmState::Stopping, VmState::Running)); // could not be ended
    CHECK_FALSE(may_follow(VmState::Created, VmState::Running));
    CHECK_FALSE(may_follow(VmState::Running, VmState::Starting));
    CHECK_FALSE(may_follow(VmState::Stopped, VmState::Stopping));
    for (const auto state : all) {
        CHECK(may_follow(state, VmState::Deleting));
        if (state != VmState::Deleting)
            CHECK_FALSE(may_follow(VmState::Deleting, state));
    }
}

TEST_CASE("active states are those in which there may be a VMM") {
    for (const auto state : all)
        CHECK(is_active(state) ==
              (state == VmState::Starting || state == VmState::Running || state == VmState::Stopping));
}

TEST_CASE("made-up names are DNS labels, and evade what is taken") {
    const auto free = make_vm_name([](const std::string&) { return false; });
    CHECK(free.str().find('-') != std::string::npos);
    const auto last = make_vm_name([](const std::string&) { return true; });
    CHECK(last.str().starts_with("vm-"));
    CHECK(last.str().size() == 11);
}
