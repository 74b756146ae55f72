#include "base/error.hpp"
#include "base/file.hpp"
#include "daemon/vm/name_maker.hpp"
#include "daemon/vm/state.hpp"

#include <doctest/doctest.h>

#include <array>

using namespace banger;
using namespace banger::daemon;

namespace {

constexpr std::array all{VmState::Created,  VmState::Starting, VmState::Running, VmState::Paused,
                         VmState::Stopping, VmState::Stopped,  VmState::Failed,  VmState::Deleting};
constexpr auto events = static_cast<size_t>(VmEvent::Delete) + 1;

} // namespace

TEST_CASE("every state has a name, and the name leads back") {
    for (const auto state : all)
        CHECK(vm_state_named(vm_state_name(state)) == state);
    CHECK_THROWS_AS(vm_state_named("sleeping"), Error);
    CHECK_FALSE(find_vm_state("sleeping"));
}

TEST_CASE("what leads where") {
    CHECK(next_state(VmState::Created, VmEvent::Start) == VmState::Starting);
    CHECK(next_state(VmState::Failed, VmEvent::Start) == VmState::Starting);
    CHECK(next_state(VmState::Starting, VmEvent::Ready) == VmState::Running);
    CHECK(next_state(VmState::Starting, VmEvent::StartCancelled) == VmState::Stopped);
    CHECK(next_state(VmState::Running, VmEvent::Ended) == VmState::Stopped);
    CHECK(next_state(VmState::Running, VmEvent::Pause) == VmState::Paused);
    CHECK(next_state(VmState::Stopping, VmEvent::StopFailed) == VmState::Running);
    CHECK(next_state(VmState::Stopping, VmEvent::StopFailedHeld) == VmState::Paused);
    CHECK_FALSE(next_state(VmState::Created, VmEvent::Ready));
    CHECK_FALSE(next_state(VmState::Running, VmEvent::Start));
    CHECK_FALSE(next_state(VmState::Stopped, VmEvent::Stop));
    CHECK_FALSE(next_state(VmState::Stopped, VmEvent::Pause));
}

TEST_CASE("everything may be deleted, and nothing comes back from that") {
    for (const auto state : all)
        CHECK(next_state(state, VmEvent::Delete).has_value() == (state != VmState::Deleting));
    for (size_t i = 0; i < events; ++i)
        CHECK_FALSE(next_state(VmState::Deleting, static_cast<VmEvent>(i)));
}

TEST_CASE("one row for each state and event, and every state and event is in one") {
    for (const auto& row : transitions()) {
        size_t same = 0;
        for (const auto& other : transitions())
            same += row.from == other.from && row.event == other.event ? 1 : 0;
        CHECK(same == 1);
    }
    for (const auto state : all) {
        bool entered = state == VmState::Created;
        for (const auto& row : transitions())
            entered |= row.to == state && row.from != state;
        CHECK(entered);
    }
    for (size_t i = 0; i < events; ++i) {
        bool used = false;
        for (const auto& row : transitions())
            used |= row.event == static_cast<VmEvent>(i);
        CHECK_MESSAGE(used, vm_event_name(static_cast<VmEvent>(i)));
    }
}

TEST_CASE("active states are those that a VMM's end leads out of") {
    for (const auto state : all)
        CHECK(is_active(state) == next_state(state, VmEvent::Lost).has_value());
}

TEST_CASE("docs/vm-life.md has the same table") {
    const auto whole = read_file(BANGER_SOURCE_DIR "/docs/vm-life.md");
    const auto text = whole.substr(0, whole.find("## Operations"));
    size_t rows = 0;
    for (size_t at = 0; (at = text.find("\n| `", at)) != std::string::npos; ++at)
        ++rows;
    for (const auto& row : transitions()) {
        const auto line = "\n| `" + std::string(vm_state_name(row.from)) + "` | " +
                          std::string(vm_event_name(row.event)) + " | `" +
                          std::string(vm_state_name(row.to)) + "` |";
        CHECK_MESSAGE(text.find(line) != std::string::npos, line);
    }
    CHECK(rows == transitions().size());
}

TEST_CASE("made-up names are DNS labels, and evade what is taken") {
    const auto free = make_vm_name([](const std::string&) { return false; });
    CHECK(free.str().find('-') != std::string::npos);
    const auto last = make_vm_name([](const std::string&) { return true; });
    CHECK(last.str().starts_with("vm-"));
    CHECK(last.str().size() == 11);
}
