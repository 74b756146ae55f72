#include "agent/tree_names.hpp"
#include "base/error.hpp"

#include <doctest/doctest.h>

using namespace banger;
using namespace banger::agent;

namespace {

Entry entry(const std::string& path, EntryType type = EntryType::File, const std::string& target = {}) {
    Entry result;
    result.path = path;
    result.type = type;
    result.target = target;
    return result;
}

} // namespace

TEST_CASE("a folder takes its new name, and what is below it goes along") {
    Renaming renaming("new");
    auto root = entry(".", EntryType::Directory);
    CHECK(renaming.apply(root));
    CHECK(root.path == "new");
    auto link = entry("a/b", EntryType::HardLink, "a/first");
    CHECK(renaming.apply(link));
    CHECK(link.path == "new/a/b");
    CHECK(link.target == "new/a/first");
    auto symlink = entry("s", EntryType::Symlink, "a/first");
    CHECK(renaming.apply(symlink));
    CHECK(symlink.target == "a/first");
}

TEST_CASE("contents keep their names, and their folder stays away") {
    Renaming renaming("");
    auto root = entry(".", EntryType::Directory);
    CHECK_FALSE(renaming.apply(root));
    auto file = entry("a/b");
    CHECK(renaming.apply(file));
    CHECK(file.path == "a/b");
}

TEST_CASE("a single file is one entry") {
    Renaming renaming("new");
    auto file = entry("old");
    CHECK(renaming.apply(file));
    CHECK(file.path == "new");
    CHECK_THROWS_AS(renaming.apply(file), Error);
    Renaming contents("");
    CHECK_THROWS_AS(contents.apply(file), Error);
}
