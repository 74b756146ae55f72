#include "base/file.hpp"
#include "helper/gate.hpp"
#include "helper/lanes.hpp"

#include <doctest/doctest.h>

#include <regex>
#include <set>

using namespace banger;
using namespace banger::helper;

TEST_CASE("the gate's table and the interface name the same methods") {
    const auto xml = read_file(std::string(BANGER_SOURCE_DIR) + "/dbus/org.banger.Helper1.xml");
    std::set<std::string> declared;
    std::string interface;
    const std::regex element("<(interface|method) name=\"([^\"]+)\"");
    for (auto it = std::sregex_iterator(xml.begin(), xml.end(), element); it != std::sregex_iterator();
         ++it) {
        if ((*it)[1] == "interface")
            interface = (*it)[2];
        else
            declared.insert(interface + "." + (*it)[2].str());
    }
    std::set<std::string> known;
    for (const auto& rule : rules)
        known.insert("org.banger.Helper1." + std::string(rule.interface) + "." + std::string(rule.method));
    CHECK(declared == known);
    CHECK(known.size() == rules.size());
}

TEST_CASE("every action of the table is in the polkit policy") {
    const auto policy = read_file(std::string(BANGER_SOURCE_DIR) + "/polkit/org.banger.helper.policy");
    for (const auto& rule : rules)
        CHECK(policy.find("<action id=\"" + std::string(polkit_action(rule.action)) + "\">") !=
              std::string::npos);
}

TEST_CASE("a method that the table does not know has no rule") {
    CHECK(rule_for("Launch") != nullptr);
    CHECK(rule_for("launch") == nullptr);
    CHECK(rule_for("") == nullptr);
    CHECK(rule_for("Introspect") == nullptr);
}

TEST_CASE("a grant cannot be made outside of the gate") {
    using Made = Grant<Action::Network>;
    CHECK_FALSE(std::is_default_constructible_v<Made>);
    CHECK_FALSE(std::is_constructible_v<Made, install::Owner, std::string>);
    CHECK_FALSE(std::is_convertible_v<Grant<Action::Network>, Grant<Action::Machine>>);
}

TEST_CASE("a challenge has the bus's own name on the wire") {
    const Refusal challenge{{ErrorCode::NotAuthorized, "polkit would ask"}, true};
    CHECK(challenge.to_bus().getName() == "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired");
    const Refusal refusal{{ErrorCode::NotAuthorized, "no"}};
    CHECK(refusal.to_bus().getName() == "org.banger.Error.NotAuthorized");
}

TEST_CASE("the rate of calls is bounded, and recovers") {
    Throttle throttle;
    const auto start = Throttle::Clock::now();
    for (int i = 0; i < static_cast<int>(call_burst); ++i) {
        CHECK_NOTHROW(throttle.enter(1000, 0, start));
        throttle.leave(1000, 0);
    }
    CHECK_THROWS_AS(throttle.enter(1000, 0, start), Error);
    CHECK_NOTHROW(throttle.enter(1001, 0, start)); // another owner's bucket
    CHECK_NOTHROW(throttle.enter(1000, 0, start + std::chrono::milliseconds(11)));
    CHECK_THROWS_AS(throttle.enter(1000, 0, start + std::chrono::milliseconds(11)), Error);
}

TEST_CASE("the number of calls under way is bounded") {
    Throttle throttle;
    const auto now = Throttle::Clock::now();
    for (size_t i = 0; i < pending_per_owner; ++i)
        throttle.enter(1000, 0, now);
    CHECK_THROWS_AS(throttle.enter(1000, 0, now), Error);
    throttle.leave(1000, 0);
    CHECK_NOTHROW(throttle.enter(1000, 0, now));
}

TEST_CASE("what the calls under way hold is bounded") {
    Throttle throttle;
    const auto now = Throttle::Clock::now();
    for (size_t held = 0; held < bytes_per_owner; held += 4 << 20)
        throttle.enter(1000, 4 << 20, now);
    CHECK_THROWS_AS(throttle.enter(1000, 1, now), Error);
    CHECK_NOTHROW(throttle.enter(1000, 0, now));
    CHECK_NOTHROW(throttle.enter(1001, 4 << 20, now));
    throttle.leave(1000, 4 << 20);
    CHECK_THROWS_AS(throttle.enter(1000, (4 << 20) + 1, now), Error);
    CHECK_NOTHROW(throttle.enter(1000, 4 << 20, now));
    CHECK_THROWS_AS(throttle.enter(1002, ~size_t{0}, now), Error);
}

TEST_CASE("refusals in masses are told once a second") {
    Throttle throttle;
    const auto now = Throttle::Clock::now();
    CHECK(throttle.worth_a_warning(1000, now));
    CHECK_FALSE(throttle.worth_a_warning(1000, now + std::chrono::milliseconds(999)));
    CHECK(throttle.worth_a_warning(1000, now + std::chrono::milliseconds(1001)));
}

TEST_CASE("lanes: one key in turn, others side by side") {
    Lanes lanes;
    std::string order;
    Turn first;
    lanes.enter("a", [&](const Turn& turn) {
        order += "1";
        first = turn;
    });
    lanes.enter("a", [&](const Turn&) { order += "2"; });
    lanes.enter("a", [&](const Turn&) { order += "3"; });
    lanes.enter("b", [&](const Turn&) { order += "b"; });
    CHECK(order == "1b");
    CHECK(lanes.busy() == 1);
    first.reset();
    CHECK(order == "1b23");
    CHECK(lanes.busy() == 0);
}

TEST_CASE("lanes: a turn may be dropped after the lanes") {
    Turn kept;
    {
        Lanes lanes;
        lanes.enter("a", [&](const Turn& turn) { kept = turn; });
    }
    CHECK_NOTHROW(kept.reset());
}
