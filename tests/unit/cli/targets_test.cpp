// Which things a verb is for.
#include "cli/targets.hpp"

#include <doctest/doctest.h>

using namespace banger;
using namespace banger::cli;

namespace {

using Names = std::vector<std::string>;

const std::vector<Candidate> known{
    {.name = "web-1", .id = "0123456789abcdef", .state = "running"},
    {.name = "web-2", .state = "stopped", .meant_by_all = false},
    {.name = "db"},
};

Verb stop_verb() {
    return {.infinitive = "stop", .kind = "VM", .takes_all = true};
}

TargetWords words(const Names& names) {
    TargetWords result;
    result.names = names;
    return result;
}

Names expanded(const TargetWords& words) {
    Failures failures(Format::Table);
    auto names = expand(words, stop_verb(), known, failures);
    failures.finish();
    return names;
}

} // namespace

TEST_CASE("patterns stand for what fits them, each once") {
    CHECK(expanded(words({"web-*"})) == Names{"web-1", "web-2"});
    CHECK(expanded(words({"db", "*", "db"})) == Names{"db", "web-1", "web-2"});
    CHECK(expanded(words({"web-[13]"})) == Names{"web-1"});
    CHECK(expanded(words({"nobody-knows"})) == Names{"nobody-knows"}); // the daemon's word counts
    CHECK(expanded(words({"0123456789abcdef"})) == Names{"0123456789abcdef"});
}

TEST_CASE("--all means those where there is something to do") {
    TargetWords all;
    all.all = true;
    CHECK(expanded(all) == Names{"web-1", "db"});
}

TEST_CASE("a pattern that fits nothing is a failure, and no other is held up by it") {
    CHECK_THROWS_WITH_AS(expanded(words({"x*"})), "there is no VM whose name fits x*", Error);
    Failures failures(Format::Table);
    CHECK(expand(words({"x*", "db"}), stop_verb(), known, failures) == Names{"db"});
    CHECK_THROWS_AS(failures.finish(), Error);
}

TEST_CASE("nothing at all, and all besides names, are refused") {
    CHECK_THROWS_WITH_AS(words({}).check(stop_verb()), "which VMs to stop?", Error);
    auto both = words({"db"});
    both.all = true;
    CHECK_THROWS_AS(both.check(stop_verb()), Error);
    CHECK_NOTHROW(words({"db"}).check(stop_verb()));
}

TEST_CASE("what was probably meant") {
    const Error missing(ErrorCode::NotFound, "there is no VM named wbe-1", "look");
    CHECK(explain(missing, "wbe-1", known).hint() == "did you mean `web-1`? look");
    CHECK(explain(missing, "nothing-like-it", known).hint() == "look");
    // There, but something else was not found.
    CHECK(explain(Error(ErrorCode::NotFound, "db: no kernel"), "db", known).hint().empty());
}

TEST_CASE("an error names what it is about, and keeps the rest") {
    Error error(ErrorCode::Timeout, "the guest is not ready", "look");
    error.at_step("ready").in_operation("0123").with_details("panic");
    const auto told = explain(error, "db", known);
    CHECK(told.message() == "db: the guest is not ready");
    CHECK(told.step() == "ready");
    CHECK(told.op_id() == "0123");
    CHECK(told.details() == "panic");
    CHECK(explain(Error(ErrorCode::Busy, "VM db is busy"), "db", known).message() == "VM db is busy");
}
