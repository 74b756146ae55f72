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

/// Reads all and writes it; how many bytes were no holes.
uint64_t copy_all(TreeReader& reader, TreeWriter& writer) {
    uint64_t moved = 0;
    while (const auto entry = reader.next()) {
        writer.begin(*entry);
        std::array<char, 65536> buffer{};
        for (uint64_t left = entry->size; left > 0;) {
            if (const auto hole = reader.hole(); hole > 0) {
                writer.hole(hole);
                left -= hole;
                continue;
            }
            const auto n = reader.read(buffer);
            writer.data({buffer.data(), n});
            left -= n;
            moved += n;
        }
        writer.end();
    }
    writer.finish();
    return moved;
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
    CHECK(read_file(folder.path("victim")) == "keep");
    write(writer, directory("d"));
    CHECK_THROWS_AS(write(writer, file("d")), Error);
    CHECK_THROWS_AS(write(writer, symlink_to("d", "x")), Error);
}

TEST_CASE("nothing gives way to a directory") {
    const TemporaryFolder folder;
    write_file_atomically(folder.path("file"), "keep");
    fs::create_directory_symlink("nowhere", folder.path("link"));
    auto writer = writer_for(folder.path());
    for (const auto* path : {"file", "link"}) {
        try {
            write(writer, directory(path));
            FAIL("made it");
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::FailedPrecondition);
        }
    }
    writer.finish();
    CHECK(read_file(folder.path("file")) == "keep");
    CHECK(fs::read_symlink(folder.path("link")) == "nowhere");
}

TEST_CASE("folders that stood before keep their modes and times when asked for") {
    const TemporaryFolder folder;
    fs::create_directory(folder.path("old"));
    ::chmod(folder.path("old").c_str(), 0710);
    TreeLimits limits;
    limits.mode_mask = 0755;
    limits.keep_folders = true;
    auto writer = writer_for(folder.path(), limits);
    auto old = directory("old", 0777);
    old.mtime_ns = 5;
    write(writer, old);
    write(writer, directory("new", 0777));
    writer.finish();
    struct stat status{};
    REQUIRE(::stat(folder.path("old").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0710);
    CHECK(status.st_mtim.tv_sec > 0);
    REQUIRE(::stat(folder.path("new").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0755);
}

TEST_CASE("paths of folders are kept up to a limit only") {
    const TemporaryFolder folder;
    auto writer = writer_for(folder.path());
    fs::create_directory(folder.path("d"));
    std::string deep = "d";
    for (int i = 0; i < 15; i++)
        deep += "/" + std::string(255, 'x');
    write(writer, file(deep + "/f"));
    const auto same = directory(deep);
    const size_t fitting = (size_t{256} << 20) / deep.size();
    for (size_t i = 0; i < fitting; i++)
        writer.begin(same);
    CHECK_THROWS_WITH_AS(writer.begin(same), "the transfer is larger than allowed", Error);
}

TEST_CASE("a file is as long as announced, whatever follows a hole") {
    const TemporaryFolder folder;
    auto writer = writer_for(folder.path());
    writer.begin(file("a", 100));
    writer.hole(100);
    writer.data("");
    writer.end();
    CHECK(fs::file_size(folder.path("a")) == 100);
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

TEST_CASE("hard links and holes come out as they went in") {
    const TemporaryFolder folder;
    fs::create_directories(folder.path("from/sub"));
    fs::create_directory(folder.path("to"));
    write_file_atomically(folder.path("from/a"), "linked");
    fs::create_hard_link(folder.path("from/a"), folder.path("from/sub/b"));
    {
        const auto fd = open_file(folder.path("from/sparse"), O_RDWR | O_CREAT, 0600);
        REQUIRE(::pwrite(fd.get(), "middle", 6, 40 << 20) == 6);
        REQUIRE(::ftruncate(fd.get(), 100 << 20) == 0);
    }
    TreeReader reader(folder.path("from"), {RootLink::Keep, true, true});
    auto writer = writer_for(folder.path("to"));
    CHECK(copy_all(reader, writer) < 1 << 20);
    struct stat status{};
    REQUIRE(::stat(folder.path("to/sparse").c_str(), &status) == 0);
    CHECK(status.st_size == 100 << 20);
    CHECK(status.st_blocks * 512 < 1 << 20);
    const auto fd = open_file(folder.path("to/sparse"), O_RDONLY);
    std::array<char, 8> middle{};
    REQUIRE(::pread(fd.get(), middle.data(), 7, (40 << 20) - 1) == 7);
    CHECK(std::string(middle.data(), 7) == std::string("\0middle", 7));
    CHECK(fs::equivalent(folder.path("to/a"), folder.path("to/sub/b")));
    CHECK(read_file(folder.path("to/sub/b")) == "linked");
}

TEST_CASE("a hard link leads to a file of the transfer only") {
    const TemporaryFolder folder;
    fs::create_directories(folder.path("in/folder"));
    fs::create_directory(folder.path("out"));
    write_file_atomically(folder.path("out/secret"), "secret");
    write_file_atomically(folder.path("in/mine"), "stood before");
    fs::create_directory_symlink(folder.path("out"), folder.path("in/there"));
    fs::create_symlink(folder.path("out/secret"), folder.path("in/link"));
    auto writer = writer_for(folder.path("in"));
    const auto link = [](const std::string& path, const std::string& target) {
        Entry entry = symlink_to(path, target);
        entry.type = EntryType::HardLink;
        return entry;
    };
    for (const auto* target :
         {"../out/secret", "/etc/passwd", "there/secret", "link", "folder", "none", ".", "mine"})
        CHECK_THROWS_AS(write(writer, link("x", target)), Error);
    CHECK_FALSE(fs::exists(folder.path("in/x")));
    for (const auto& left : fs::directory_iterator(folder.path("in")))
        CHECK_FALSE(left.path().filename().string().starts_with(".banger-"));
    write(writer, file("same", 1), "s");
    write(writer, link("same2", "same"));
    write(writer, link("same2", "same")); // once more, onto itself
    CHECK(fs::hard_link_count(folder.path("in/same")) == 2);
}

TEST_CASE("a file that is broken off leaves the old one, and nothing beside it") {
    const TemporaryFolder folder;
    write_file_atomically(folder.path("a"), "old");
    {
        auto writer = writer_for(folder.path());
        writer.begin(file("a", 10));
        writer.data("new");
        CHECK(read_file(folder.path("a")) == "old");
    }
    CHECK(read_file(folder.path("a")) == "old");
    CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("owners are kept when asked for") {
    if (::geteuid() != 0)
        return;
    const TemporaryFolder folder;
    TreeLimits limits;
    limits.owner = true;
    auto writer = writer_for(folder.path(), limits);
    auto plain = file("a");
    plain.uid = 12345;
    plain.gid = 54321;
    plain.mode = 04755;
    write(writer, plain);
    auto link = symlink_to("l", "nowhere");
    link.uid = 7;
    write(writer, link);
    auto sub = directory("d");
    sub.uid = 9;
    write(writer, sub);
    writer.finish();
    const auto status = [&](const char* name) {
        struct stat result{};
        REQUIRE(::lstat(folder.path(name).c_str(), &result) == 0);
        return result;
    };
    CHECK(status("a").st_uid == 12345);
    CHECK(status("a").st_gid == 54321);
    CHECK((status("a").st_mode & 07777) == 04755);
    CHECK(status("l").st_uid == 7);
    CHECK(status("d").st_uid == 9);
    auto without = writer_for(folder.path());
    write(without, plain);
    CHECK(status("a").st_uid == ::geteuid());
}

TEST_CASE("a root that is a symlink is kept or followed") {
    const TemporaryFolder folder;
    fs::create_directory(folder.path("d"));
    write_file_atomically(folder.path("d/f"), "x");
    fs::create_symlink("d/f", folder.path("to-file"));
    fs::create_symlink("d", folder.path("to-folder"));
    const auto first = [&](const std::string& path, RootLink root) {
        return *TreeReader(folder.path(path), {root, false, false}).next();
    };
    CHECK(first("to-file", RootLink::Keep).type == EntryType::Symlink);
    CHECK(first("to-folder", RootLink::Keep).type == EntryType::Symlink);
    CHECK(first("to-folder/", RootLink::Keep).type == EntryType::Directory);
    CHECK(first("to-file", RootLink::Follow).type == EntryType::File);
    CHECK(first("to-file", RootLink::Follow).path == "to-file");
    CHECK(first("to-folder", RootLink::Follow).path == ".");
    CHECK(first("to-folder", RootLink::Folder).path == ".");
    CHECK(first("to-file", RootLink::Folder).type == EntryType::Symlink);
}
