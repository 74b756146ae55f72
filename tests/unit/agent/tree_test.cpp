#include "agent/tree.hpp"
#include "agent_process.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>

using namespace banger;
using namespace banger::agent;
namespace fs = std::filesystem;

namespace {

Entry file(const std::string& path, uint64_t size = 0) {
    Entry entry;
    entry.path = path;
    entry.size = size;
    return entry;
}
Entry symlink_to(const std::string& path, const std::string& target) {
    Entry entry;
    entry.path = path;
    entry.type = EntryType::Symlink;
    entry.target = target;
    return entry;
}
Entry directory(const std::string& path, uint32_t mode = 0755) {
    Entry entry;
    entry.path = path;
    entry.type = EntryType::Directory;
    entry.mode = mode;
    return entry;
}

void write(TreeWriter& writer, const Entry& entry, const std::string& content = {}) {
    writer.begin(entry);
    if (!content.empty())
        writer.data(content);
    writer.end();
}

TreeWriter writer_for(const std::string& path, TreeLimits limits = {}) {
    return TreeWriter(open_file(path, O_RDONLY | O_DIRECTORY), limits);
}

} // namespace

TEST_CASE("a tree is written with modes, times and links") {
    const TemporaryFolder folder;
    auto writer = writer_for(folder.path());
    write(writer, directory("closed", 0500));
    auto entry = file("closed/deep/x", 3);
    entry.mode = 0751;
    entry.mtime_ns = 1'600'000'000'000'000'005;
    write(writer, entry, "abc");
    write(writer, symlink_to("link", "/etc/passwd"));
    write(writer, file("link2/empty"));
    writer.finish();
    CHECK(read_file(folder.path("closed/deep/x")) == "abc");
    struct stat status{};
    REQUIRE(::stat(folder.path("closed/deep/x").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0751);
    CHECK(status.st_mtim.tv_sec == 1'600'000'000);
    CHECK(status.st_mtim.tv_nsec == 5);
    REQUIRE(::stat(folder.path("closed").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0500);
    CHECK(fs::read_symlink(folder.path("link")) == "/etc/passwd");
    ::chmod(folder.path("closed").c_str(), 0700);
}

TEST_CASE("what stands in the way is replaced, not written through") {
    const TemporaryFolder folder;
    write_file_atomically(folder.path("victim"), "keep");
    fs::create_symlink("victim", folder.path("a"));
    fs::create_hard_link(folder.path("victim"), folder.path("b"));
    auto writer = writer_for(folder.path());
    write(writer, file("a", 1), "1");
    write(writer, file("b", 1), "2");
    write(writer, symlink_to("b", "c"));
    write(writer, directory("a"));
    CHECK(read_file(folder.path("victim")) == "keep");
    CHECK(fs::is_directory(folder.path("a")));
    CHECK_THROWS_AS(write(writer, file("a")), Error);
    CHECK_THROWS_AS(write(writer, symlink_to("a", "x")), Error);
}

TEST_CASE("no entry leads out of the directory") {
    const TemporaryFolder folder;
    fs::create_directory(folder.path("in"));
    fs::create_directory(folder.path("out"));
    fs::create_directory_symlink(folder.path("out"), folder.path("in/there"));
    auto writer = writer_for(folder.path("in"));
    for (const auto* path : {"../x", "/tmp/x", "a/../../x", "there/x", "there/deep/x"})
        CHECK_THROWS_AS(write(writer, file(path)), Error);
    write(writer, symlink_to("mine", ".."));
    CHECK_THROWS_AS(write(writer, file("mine/x")), Error);
    write(writer, symlink_to("self", "."));
    CHECK_THROWS_AS(write(writer, file("self/x")), Error);
    // A directory that becomes a symlink after it was cached keeps its old meaning: still beneath.
    write(writer, file("cached/x"));
    fs::rename(folder.path("in/cached"), folder.path("in/moved"));
    fs::create_directory_symlink(folder.path("out"), folder.path("in/cached"));
    write(writer, file("cached/y"));
    CHECK(fs::exists(folder.path("in/moved/y")));
    CHECK(fs::is_empty(folder.path("out")));
}

TEST_CASE("sizes must be as announced, and limits hold") {
    const TemporaryFolder folder;
    auto writer = writer_for(folder.path(), {3, 10, 0777});
    CHECK_THROWS_AS(write(writer, file("a", 2), "abc"), Error);
    CHECK_THROWS_AS(write(writer, file("b", 2), "a"), Error);
    auto entry = file("c", 1);
    entry.mode = 06755;
    write(writer, entry, "x");
    struct stat status{};
    REQUIRE(::stat(folder.path("c").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0755);
    CHECK_THROWS_AS(write(writer, file("d")), Error);
    auto small = writer_for(folder.path(), {100, 10, 0777});
    CHECK_THROWS_AS(small.begin(file("e", 11)), Error);
    CHECK_THROWS_AS(small.begin(file("e", UINT64_MAX)), Error);
}

TEST_CASE("a tree is read in order, links unfollowed, odd files counted") {
    const TemporaryFolder folder;
    fs::create_directories(folder.path("b/c"));
    write_file_atomically(folder.path("b/z"), "zz");
    write_file_atomically(folder.path("a"), "a");
    fs::create_symlink("/nonexistent", folder.path("b/link"));
    CHECK(::mkfifo(folder.path("fifo").c_str(), 0600) == 0);
    TreeReader reader(folder.path());
    std::vector<std::string> paths;
    std::string content;
    while (const auto entry = reader.next()) {
        paths.push_back(entry->path);
        std::array<char, 16> buffer{};
        while (const auto n = reader.read(buffer))
            content.append(buffer.data(), n);
    }
    CHECK(paths == std::vector<std::string>{".", "a", "b", "b/c", "b/link", "b/z"});
    CHECK(content == "azz");
    CHECK(reader.skipped() == 1);
}

TEST_CASE("single files and lists of files are read") {
    const TemporaryFolder folder;
    fs::create_directories(folder.path("d/e"));
    write_file_atomically(folder.path("d/e/f"), "x");
    TreeReader one(folder.path("d/e/f"));
    CHECK(one.next()->path == "f");
    CHECK_FALSE(one.next());
    TreeReader list(folder.path(), {"d/e/f", "d"});
    CHECK(list.next()->path == "d/e/f");
    CHECK(list.next()->path == "d");
    CHECK_FALSE(list.next());
    CHECK_THROWS_AS(TreeReader(folder.path(), {"../x"}), Error);
    CHECK_THROWS_AS(TreeReader(folder.path("none")), Error);
    TreeReader missing(folder.path(), {"none"});
    CHECK_THROWS_AS(missing.next(), Error);
}
