#include "daemon/image/outside.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>

using namespace banger;

TEST_CASE("a program outside of the daemon's unit: the same words, streams and environment") {
    ProcessSpec spec;
    spec.program = "/usr/bin/mmdebstrap";
    spec.arguments = {"--mode=unshare", "-"};
    spec.environment = {"TMPDIR=/tmp/x", "HOME=/home/a b"};
    spec.stdout_fd = 7;
    const auto made = outside(spec, "banger-outside-1");
    const auto& words = made.spec.arguments;
    CHECK(made.spec.program.ends_with("/systemd-run"));
    CHECK(made.spec.stdout_fd == 7);
    const std::vector<std::string> end{words.end() - 4, words.end()};
    CHECK(end == std::vector<std::string>{"--", "/usr/bin/mmdebstrap", "--mode=unshare", "-"});
    for (const char* word : {"--user", "--pipe", "--wait", "--unit=banger-outside-1",
                             "--setenv=HOME=/home/a b", "--property=BindsTo=banger-daemon.service"})
        CHECK(std::find(words.begin(), words.end(), word) != words.end());
    REQUIRE(made.end);
    CHECK(made.end->arguments.back() == "banger-outside-1.service");
    for (const auto& variable : made.spec.environment)
        CHECK_FALSE(variable.starts_with("TMPDIR="));
}

TEST_CASE("where nothing restricts the daemon a program is its own child") {
    ::unsetenv("INVOCATION_ID");
    ProcessSpec spec;
    spec.program = "/bin/true";
    const auto same = outside(spec);
    CHECK(same.spec.program == "/bin/true");
    CHECK_FALSE(same.end);
}
