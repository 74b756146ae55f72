#include "base/undo.hpp"

#include <doctest/doctest.h>

#include <stdexcept>

using namespace banger;

TEST_CASE("leaving early takes back what was done, last first") {
    std::string order;
    {
        UndoStack undo;
        undo.push("one", [&] { order += "1"; });
        undo.push("two", [&] { order += "2"; });
        undo.push("three", [&] { order += "3"; });
    }
    CHECK(order == "321");
}

TEST_CASE("an exception on the way takes back, too") {
    std::string order;
    const auto work = [&] {
        UndoStack undo;
        undo.push("one", [&] { order += "1"; });
        throw std::runtime_error("failed");
    };
    CHECK_THROWS_AS(work(), std::runtime_error);
    CHECK(order == "1");
}

TEST_CASE("after release nothing is taken back; after run nothing twice") {
    int count = 0;
    {
        UndoStack undo;
        undo.push("a", [&] { ++count; });
        undo.release();
        undo.push("b", [&] { ++count; });
        undo.run();
        undo.run();
    }
    CHECK(count == 1);
}

TEST_CASE("an undo that fails is complained of, and the others still run") {
    std::string complaints;
    int count = 0;
    {
        UndoStack undo([&](const std::string& step, const std::exception& why) {
            complaints += step + ": " + why.what();
        });
        undo.push("first", [&] { ++count; });
        undo.push("second", [] { throw std::runtime_error("broken"); });
        undo.push("third", [&] { ++count; });
    }
    CHECK(count == 2);
    CHECK(complaints == "second: broken");
}

TEST_CASE("a failing undo without a complaint handler is no crash") {
    int count = 0;
    {
        UndoStack undo;
        undo.push("first", [&] { ++count; });
        undo.push("second", [] { throw std::runtime_error("broken"); });
    }
    CHECK(count == 1);
}
