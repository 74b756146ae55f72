#include "base/error.hpp"
#include "base/text.hpp"

#include <doctest/doctest.h>

using namespace banger;

TEST_CASE("text that is printable stays as it is") {
    for (const std::string text : {"", "plain\n\ttext", "ä € 𐍈", "\u00a0\ud7ff\ue000\U0010ffff"})
        CHECK(printable_text(text) == text);
}

TEST_CASE("what a terminal obeys is replaced") {
    CHECK(printable_text("a\x1b[2Jb\rc\x7f") == "a?[2Jb?c?");
    CHECK(printable_text(std::string("a\0b", 3)) == "a?b");
    CHECK(printable_text("C1: \u0080 \u009b31m \u009f") == "C1: ? ?31m ?");
}

TEST_CASE("what is no UTF-8 is replaced byte by byte") {
    CHECK(printable_text("\xff\xfe") == "??");
    CHECK(printable_text("cut \xe2\x82") == "cut ??");
    CHECK(printable_text("overlong \xc0\xaf \xe0\x80\xaf") == "overlong ?? ???");
    CHECK(printable_text("surrogate \xed\xa0\x80") == "surrogate ???");
    CHECK(printable_text("beyond \xf4\x90\x80\x80") == "beyond ????");
    CHECK(printable_text("stray \x80 lead \xc3(") == "stray ? lead ?(");
}

TEST_CASE("an error's texts are printable, whoever's words are in them") {
    auto error = Error(ErrorCode::Internal, "said \xff", "try \x1b");
    error.with_details("console: \xe2\x82").at_step("boot\x07");
    CHECK(error.to_wire() == "said ?\nstep: boot?\nhint: try ?\ndetail: console: ??");
}
