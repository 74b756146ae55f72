#include "base/file.hpp"
#include "daemon/vm/console.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>

using namespace banger;
using namespace banger::daemon;

namespace {

struct Log {
    char path[32] = "/tmp/banger-console-XXXXXX";
    explicit Log(const std::string& text) {
        ::close(::mkstemp(path));
        write_file_atomically(path, text);
    }
    Log(const Log&) = delete;
    ~Log() { ::unlink(path); }
};

} // namespace

TEST_CASE("the last lines of a text") {
    CHECK(last_lines("", 3).empty());
    CHECK(last_lines("\n\n", 3).empty());
    CHECK(last_lines("a\nb\nc\n", 2) == "b\nc");
    CHECK(last_lines("a\nb\nc", 3) == "a\nb\nc");
    CHECK(last_lines("a\nb\nc", 9) == "a\nb\nc");
    CHECK(last_lines("\na", 1) == "a");
    CHECK(last_lines("a", 0).empty());
}

TEST_CASE("what a terminal would obey is replaced in a console") {
    const Log log("one\r\n\x1b[31mtwo\x7f\n");
    CHECK(console_tail(log.path) == "one\n?[31mtwo?");
    CHECK(console_tail("/nonexistent/console.log").empty());
}

TEST_CASE("a long console is read from its end") {
    std::string text;
    for (int i = 0; i < 5000; ++i)
        text += "line " + std::to_string(i) + "\n";
    const Log log(text);
    CHECK(console_tail(log.path, 2) == "line 4998\nline 4999");
}
