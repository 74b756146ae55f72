#include "daemon/job/steps.hpp"

#include <doctest/doctest.h>

#include <stdexcept>

using namespace banger;
using namespace banger::daemon;

TEST_CASE("a step is one entry, from its beginning to its end") {
    StepList list;
    list.report({"disk", StepState::Running, 0});
    list.report({"network", StepState::Running, 0});
    list.report({"disk", StepState::Done, 7});
    REQUIRE(list.all().size() == 2);
    CHECK(list.all()[0].name == "disk");
    CHECK(list.all()[0].state == StepState::Done);
    CHECK(list.all()[0].milliseconds == 7);
    CHECK(list.all()[1].state == StepState::Running);
    list.report({"disk", StepState::Running, 0}); // again: another one
    CHECK(list.all().size() == 3);
}

TEST_CASE("steps are reported, and hand on what their body gives") {
    StepList list;
    Steps steps([&](const Step& step) { list.report(step); }, {});
    CHECK(steps.run("count", [] { return 3; }) == 3);
    REQUIRE(list.all().size() == 1);
    CHECK(list.all()[0].state == StepState::Done);
}

TEST_CASE("a failed step is named in the error; the innermost name stays") {
    StepList list;
    Steps steps([&](const Step& step) { list.report(step); }, {});
    try {
        steps.run("outer",
                  [&] { steps.run("inner", []() -> void { throw Error(ErrorCode::NotFound, "no"); }); });
        FAIL("went on");
    } catch (const Error& error) {
        CHECK(error.step() == "inner");
        CHECK(error.code() == ErrorCode::NotFound);
    }
    CHECK(list.all()[0].state == StepState::Failed);
    CHECK(list.all()[1].state == StepState::Failed);
}

TEST_CASE("a foreign exception becomes an Error") {
    Steps steps({}, {});
    try {
        steps.run("odd", []() -> void { throw std::runtime_error("odd"); });
        FAIL("went on");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::Internal);
        CHECK(error.step() == "odd");
    }
}

TEST_CASE("nothing begins after a stop") {
    std::stop_source stop;
    stop.request_stop();
    Steps steps({}, stop.get_token());
    bool ran = false;
    try {
        steps.run("late", [&] { ran = true; });
        FAIL("went on");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::Cancelled);
        CHECK(error.step() == "late");
    }
    CHECK_FALSE(ran);
}
