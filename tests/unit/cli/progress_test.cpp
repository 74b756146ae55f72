#include "cli/progress.hpp"

#include <doctest/doctest.h>

using namespace banger::cli;
using std::chrono::milliseconds;

TEST_CASE("the progress line shows steps, the running one's share and the time") {
    const JobProgress progress{{{"tap", "done", 3}, {"launch", "done", 41}, {"boot", "running", 0}}, 0.45};
    CHECK(progress_line(progress, milliseconds(1200), 2, 80) ==
          "⠹ tap 3 ms · launch 41 ms · boot 45 %  1.2 s");
}

TEST_CASE("the progress line without a share, and with a failed step") {
    CHECK(progress_line({{{"boot", "running", 0}}, {}}, milliseconds(50), 0, 80) == "⠋ boot  50 ms");
    CHECK(progress_line({{{"boot", "failed", 9}}, {}}, milliseconds(50), 0, 80) == "⠋ boot failed  50 ms");
    CHECK(progress_line({}, milliseconds(50), 10, 80) == "⠋   50 ms");
}

TEST_CASE("the oldest steps go first, and the line never gets longer than the terminal is wide") {
    const JobProgress progress{{{"tap", "done", 3}, {"launch", "done", 41}, {"boot", "running", 0}}, {}};
    CHECK(progress_line(progress, milliseconds(1200), 0, 32) == "⠋ launch 41 ms · boot  1.2 s");
    CHECK(progress_line(progress, milliseconds(1200), 0, 20) == "⠋ boot  1.2 s");
    CHECK(progress_line(progress, milliseconds(1200), 0, 11) == "⠋ b…  1.2 s");
    CHECK(progress_line(progress, milliseconds(1200), 0, 3) == "⠋ …");
}

TEST_CASE("a share out of range, and a step's name with control characters") {
    CHECK(progress_line({{{"x\x1b[2J", "running", 0}}, 7.0}, milliseconds(5), 0, 80) ==
          "⠋ x?[2J 100 %  5 ms");
}
