#include "base/error.hpp"
#include "cli/suggest.hpp"
#include "cli/text.hpp"

#include <doctest/doctest.h>

using namespace banger;
using namespace banger::cli;
using std::chrono::milliseconds;

TEST_CASE("what a guest says cannot steer the terminal") {
    CHECK(safe_text("plain – text\n\tindented") == "plain – text\n\tindented");
    CHECK(safe_text("\x1b[2Jgone\x07\r") == "?[2Jgone??");
    CHECK(safe_text("a\nb", false) == "a?b");
    CHECK(safe_text("c1 \xC2\x9B"
                    "31m") == "c1 ?31m");
    CHECK(safe_text("\xC2\xA0") == "\xC2\xA0"); // a printable one of the same lead byte
    CHECK(safe_text(std::string_view("nul\0", 4)) == "nul?");
    CHECK(safe_text("end \xC2") == "end \xC2");
}

TEST_CASE("columns are counted by code points") {
    CHECK(display_width("abc") == 3);
    CHECK(display_width("ä–€") == 3);
    CHECK(shorten("abcdef", 6) == "abcdef");
    CHECK(shorten("abcdef", 4) == "abc…");
    CHECK(shorten("äöüäöü", 4) == "äöü…");
    CHECK(shorten("abc", 1) == "…");
    CHECK(shorten("abc", 0).empty());
}

TEST_CASE("durations") {
    CHECK(parse_duration("30", "--x") == milliseconds(30'000));
    CHECK(parse_duration("30s", "--x") == milliseconds(30'000));
    CHECK(parse_duration("1.5m", "--x") == milliseconds(90'000));
    CHECK(parse_duration("2min", "--x") == milliseconds(120'000));
    CHECK(parse_duration("500ms", "--x") == milliseconds(500));
    CHECK(parse_duration("1h", "--x") == milliseconds(3'600'000));
    for (const auto* wrong :
         {"", "s", "-1s", "0", "1d", "1s ", " 1s", "nan", "inf", "1e3", "31000h", "1ss"}) {
        CAPTURE(wrong);
        CHECK_THROWS_AS(parse_duration(wrong, "--x"), Error);
    }
}

TEST_CASE("durations for people") {
    CHECK(human_duration(milliseconds(0)) == "0 ms");
    CHECK(human_duration(milliseconds(-5)) == "0 ms");
    CHECK(human_duration(milliseconds(999)) == "999 ms");
    CHECK(human_duration(milliseconds(4200)) == "4.2 s");
    CHECK(human_duration(milliseconds(180'000)) == "3 min");
    CHECK(human_duration(milliseconds(2 * 3600'000)) == "2 h");
    CHECK(human_duration(milliseconds(int64_t{72} * 3600'000)) == "3 d");
}

TEST_CASE("times are UTC") {
    CHECK(rfc3339(0) == "1970-01-01T00:00:00Z");
    CHECK(rfc3339(1'700'000'000'000'000) == "2023-11-14T22:13:20Z");
}

TEST_CASE("did you mean") {
    const std::vector<std::string> verbs{"run", "create", "start", "stop", "list", "delete", "exec"};
    CHECK(nearest("rnu", verbs) == "run");
    CHECK(nearest("lst", verbs) == "list");
    CHECK(nearest("crate", verbs) == "create");
    CHECK(nearest("del", verbs) == "delete");
    CHECK(nearest("strat", verbs) == "start");
    CHECK(nearest("frobnicate", verbs).empty());
    CHECK(nearest("", verbs).empty());
    CHECK(nearest(std::string(10'000, 'x'), verbs).empty());
    CHECK(nearest("--nmae", {"--name", "--image"}) == "--name");
}
