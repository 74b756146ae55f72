#include "daemon/catalog_objects.hpp"
#include "daemon/catalog_work.hpp"

#include <doctest/doctest.h>

using namespace banger;
using namespace banger::daemon;

TEST_CASE("times of creation") {
    CHECK(parse_utc("1970-01-01T00:00:01Z") == 1'000'000);
    CHECK(parse_utc("2025-01-31T12:00:00Z") == 1'738'324'800'000'000);
    CHECK(parse_utc("") == 0);
    CHECK(parse_utc("yesterday") == 0);
    CHECK(parse_utc("2025-01-31T12:00:00Zx") == 0);
}

TEST_CASE("a builder's progress becomes steps: one ends where the next begins") {
    StepList list;
    double part = 0;
    StepTeller teller([&](const Step& step) { list.report(step); },
                      [&](double fraction) { part = fraction; });
    const int made = teller.run([](const Progress& progress) {
        progress("packages", 0.1);
        progress("packages", 0.4);
        progress("image", 0.8);
        return 5;
    });
    CHECK(made == 5);
    CHECK(part == 0.8);
    REQUIRE(list.all().size() == 2);
    CHECK(list.all()[0].name == "packages");
    CHECK(list.all()[0].state == StepState::Done);
    CHECK(list.all()[1].state == StepState::Done);
}

TEST_CASE("a builder's failure is that of the step under way") {
    StepList list;
    StepTeller teller([&](const Step& step) { list.report(step); }, [](double) {});
    try {
        teller.run([](const Progress& progress) -> int {
            progress("packages", 0.1);
            throw Error(ErrorCode::Unavailable, "no mirror");
        });
        FAIL("went on");
    } catch (const Error& error) {
        CHECK(error.step() == "packages");
    }
    CHECK(list.all()[0].state == StepState::Failed);
}
