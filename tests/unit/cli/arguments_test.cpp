#include "base/error.hpp"
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/help.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace banger;
using namespace banger::cli;

namespace {

struct Sample {
    CLI::App app;
    std::string name;
    std::string place;
    bool flag = false;
    Sample() {
        app.name("banger sample");
        app.add_option("PLACE", place);
        app.add_option("-n,--name", name);
        app.add_flag("-f,--flag", flag);
    }
    bool parse(const std::vector<std::string>& words) { return parse_arguments(app, words); }
    Error failure(const std::vector<std::string>& words) {
        try {
            parse(words);
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::InvalidArgument);
            return error;
        }
        return {ErrorCode::Internal, "no failure"};
    }
};

} // namespace

TEST_CASE("arguments in every spelling") {
    for (const auto& words : std::vector<std::vector<std::string>>{{"--name", "x", "-f", "p"},
                                                                   {"p", "--name=x", "--flag"},
                                                                   {"-nx", "-f", "p"},
                                                                   {"-fn", "x", "p"}}) {
        Sample sample;
        CHECK(sample.parse(words));
        CHECK(sample.name == "x");
        CHECK(sample.flag);
        CHECK(sample.place == "p");
    }
}

TEST_CASE("a value may look like an option") {
    Sample sample;
    CHECK(sample.parse({"--name", "--odd"}));
    CHECK(sample.name == "--odd");
}

TEST_CASE("unknown options are told first, with what was probably meant") {
    const auto error = Sample().failure({"--nmae", "x", "p"});
    CHECK(error.message() == "unknown option '--nmae'");
    CHECK(error.hint() == "did you mean `--name`? `banger sample --help` tells what it takes");
    CHECK(Sample().failure({"--nmae=x"}).message() == "unknown option '--nmae'");
    CHECK(Sample().failure({"-z"}).message() == "unknown option '-z'");
}

TEST_CASE("surplus arguments and missing values") {
    const auto error = Sample().failure({"p", "q"});
    CHECK(error.message() == "unexpected argument 'q'");
    CHECK(error.hint().find("stands after --") != std::string::npos);
    CHECK(Sample().failure({"--name"}).message().find("--name") != std::string::npos);
}

TEST_CASE("whether errors shall be JSON is known before anything is parsed") {
    CHECK(asks_for_structure({"vm", "list", "-o", "json"}));
    CHECK(asks_for_structure({"vm", "list", "-ojson"}));
    CHECK(asks_for_structure({"vm", "list", "--output=yaml"}));
    CHECK(asks_for_structure({"--output", "json"}));
    CHECK_FALSE(asks_for_structure({"vm", "list", "-o", "table"}));
    CHECK_FALSE(asks_for_structure({"vm", "list", "-o"}));
    CHECK_FALSE(asks_for_structure({"vm", "exec", "x", "--", "tool", "-o", "json"}));
}

TEST_CASE("unknown words name what was meant") {
    try {
        refuse_unknown("command", "vm ", "rnu", {"run", "stop"}, "all of them");
    } catch (const Error& error) {
        CHECK(error.message() == "unknown command 'vm rnu'");
        CHECK(error.hint() == "did you mean `vm run`? all of them");
    }
}

TEST_CASE("every command can be declared, has a name of its own and stands in the help") {
    std::set<std::string> seen;
    for (const auto& command : commands()) {
        CAPTURE(command.verb);
        CLI::App app;
        Invocation invocation;
        CHECK(command.declare(app, invocation));
        CHECK(app.get_option_no_throw("--output") == nullptr); // added for all, in one place
        CHECK(seen.insert(std::string(command.noun) + " " + std::string(command.verb)).second);
        const auto help = command.noun.empty() ? program_help() : noun_help(command.noun);
        CHECK(help.find(command.summary) != help.npos);
        CHECK(program_help().find(command.summary) != std::string::npos);
    }
    CHECK(nouns() == std::vector<std::string>{"vm", "kernel", "image", "system"});
}
