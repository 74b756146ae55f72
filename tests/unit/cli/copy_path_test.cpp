#include "base/error.hpp"
#include "cli/copy_path.hpp"

#include <doctest/doctest.h>

using namespace banger;
using namespace banger::cli;
using agent::PathType;

namespace {

/// FOLDER|NAME
std::string place(const std::string& source, bool folder, const std::string& target, PathType type,
                  const std::string& real = {}) {
    const auto placement = place_copy(thing_at(source, folder), target, {type, real});
    return placement.folder + "|" + placement.name;
}

} // namespace

TEST_CASE("words of a copy") {
    CHECK(parse_copy_path("dev:/etc/x").vm == "dev");
    CHECK(parse_copy_path("dev:a:b").path == "a:b");
    CHECK(parse_copy_path("./a:b").vm.empty());
    CHECK(parse_copy_path("/a:b").vm.empty());
    CHECK(parse_copy_path("plain").path == "plain");
    CHECK(parse_copy_path("dev:-").path == "-");
    CHECK(parse_copy_path("./-").path == "./-");
    for (const auto* word : {"", ":", ":x", "dev:", "-"})
        CHECK_THROWS_AS(parse_copy_path(word), Error);
}

TEST_CASE("parts of paths") {
    CHECK(folder_part("/a/b") == "/a");
    CHECK(folder_part("/a/b/") == "/a");
    CHECK(folder_part("/a") == "/");
    CHECK(folder_part("a//b") == "a");
    CHECK(folder_part("a") == ".");
    CHECK(last_part("/a/b//") == "b");
    CHECK(last_part("/") == "");
}

TEST_CASE("a file's place") {
    CHECK(place("/x/f", false, "/t/new", PathType::None) == "/t|new");
    CHECK(place("/x/f", false, "new", PathType::None) == ".|new");
    CHECK(place("/x/f", false, "/t", PathType::Directory, "/t") == "/t|f");
    CHECK(place("/x/f", false, "/t/g", PathType::File, "/t/g") == "/t|g");
    CHECK(place("/x/f", false, "/t/link", PathType::File, "/elsewhere/g") == "/elsewhere|g");
    CHECK(place("/x/f", false, "/t/dangling", PathType::Symlink) == "/t|dangling");
    CHECK_THROWS_AS(place("/x/f", false, "/t/new/", PathType::None), Error);
    CHECK_THROWS_AS(place("/x/f", false, "/t/g/", PathType::File, "/t/g"), Error);
    CHECK_THROWS_AS(place("/x/f", false, "/dev/null", PathType::Other), Error);
}

TEST_CASE("a folder's place") {
    CHECK(place("/x/d", true, "/t/new", PathType::None) == "/t|new");
    CHECK(place("/x/d", true, "/t/new/", PathType::None) == "/t|new");
    CHECK(place("/x/d", true, "/t", PathType::Directory) == "/t|d");
    CHECK(place("/x/d/", true, "/t", PathType::Directory) == "/t|d");
    CHECK(place("/x/d/.", true, "/t", PathType::Directory) == "/t|");
    CHECK(place("/x/d/.", true, "/t/new", PathType::None) == "/t|new");
    for (const auto* contents : {".", "..", "/", "a/..", "./."})
        CHECK(place(contents, true, "/t", PathType::Directory) == "/t|");
    CHECK_THROWS_AS(place("/x/d", true, "/t/g", PathType::File, "/t/g"), Error);
    CHECK_THROWS_AS(place("/x/d", true, "/dev/null", PathType::Other), Error);
}
