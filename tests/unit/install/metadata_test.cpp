#include "base/error.hpp"
#include "base/file.hpp"
#include "install/metadata.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

using namespace banger;
using namespace banger::install;

namespace {

Metadata example() {
    Metadata metadata;
    metadata.version = "0.1.0";
    metadata.owners = {{"alice", 1000, 1000}, {"bob@example.org", 70001, 70001}};
    metadata.paths.bindir = "/opt/banger/bin";
    metadata.paths.jailer = "/usr/local/bin/jailer";
    metadata.files = {{"/etc/a \"b\" \\c", std::string(64, 'a'), {}, true},
                      {"/usr/bin/banger", std::string(64, '0'), std::string(64, 'f'), false}};
    return metadata;
}

ErrorCode refusal(const std::string& text) {
    try {
        parse_metadata(text);
    } catch (const Error& error) {
        CHECK(error.message().find(metadata_path) != std::string::npos);
        CHECK_FALSE(error.hint().empty());
        return error.code();
    }
    FAIL("accepted: " << text);
    return ErrorCode::Internal;
}

struct Folder {
    std::string path = [] {
        char name[] = "/tmp/banger-install-XXXXXX";
        return std::string(::mkdtemp(name));
    }();
    ~Folder() { std::filesystem::remove_all(path); }
};

} // namespace

TEST_CASE("metadata survives being written and read") {
    CHECK(parse_metadata(render_metadata(example())) == example());
    Metadata none;
    none.version = "1";
    CHECK(parse_metadata(render_metadata(none)) == none);
}

TEST_CASE("an owner is found by uid alone") {
    const auto metadata = example();
    REQUIRE(metadata.owner(1000));
    CHECK(metadata.owner(1000)->name == "alice");
    CHECK(metadata.owner(1001) == nullptr);
    CHECK(metadata.owner(0) == nullptr);
    CHECK(metadata.file("/usr/bin/banger") == &metadata.files[1]);
    CHECK(metadata.file("/usr/bin") == nullptr);
}

TEST_CASE("what render_metadata does not write is refused") {
    const std::string good = "version = \"1\"\n";
    CHECK_NOTHROW(parse_metadata(good));
    for (const char* bad :
         {"",
          "version = 1\n",
          "version = \"1\"\ncolour = \"red\"\n",
          "version = \"1\"\nowner = \"alice\"\n",
          "version = \"1\"\nowner = [1]\n",
          "version = \"1\"\n[[owner]]\nname = \"a\"\nuid = 5\n",
          "version = \"1\"\n[[owner]]\nname = \"a\"\nuid = \"5\"\ngid = 5\n",
          "version = \"1\"\n[[owner]]\nname = \"a\"\nuid = -1\ngid = 5\n",
          "version = \"1\"\n[[owner]]\nname = \"a\"\nuid = 4294967296\ngid = 5\n",
          "version = \"1\"\n[[owner]]\nname = \"a\"\nuid = 5.0\ngid = 5\n",
          "version = \"1\"\n[[owner]]\nname = \"a\"\nuid = 5\ngid = 5\nshell = \"/bin/sh\"\n",
          "version = \"1\"\npaths = \"/usr\"\n",
          "version = \"1\"\n[paths]\nbindir = \"usr/bin\"\n",
          "version = \"1\"\nfile = \"x\"\n",
          "version = \"1\"\nfile = [1]\n",
          "version = \"1\"\n[[file]]\npath = \"/x\"\n",
          "version = \"1\"\n[[file]]\npath = \"/x\"\nsha256 = \"12\"\n",
          "version = \"1\"\n[[file]]\npath = \"/x\"\nsha256 = 12\nwritten = \"no\"\n",
          "version = \"1\"\n[paths]\nlibdir = \"/usr/lib\"\n",
          "version = \"1\n",
          "\xff\xfe"})
        CHECK(refusal(bad) == ErrorCode::FailedPrecondition);
}

TEST_CASE("owners that must not be") {
    for (const Owner& bad :
         {Owner{"root", 0, 0}, Owner{"a", 0, 5}, Owner{"a", 5, 0}, Owner{"nobody", 65534, 65534},
          Owner{"a", ~0U, 5}, Owner{"", 5, 5}, Owner{"1000", 5, 5}, Owner{"a b", 5, 5}, Owner{"a\"b", 5, 5},
          Owner{"a<b", 5, 5}, Owner{"-a", 5, 5}, Owner{"a\n", 5, 5}, Owner{std::string(65, 'a'), 5, 5}}) {
        Metadata metadata;
        metadata.owners = {bad};
        CAPTURE(bad.name);
        CHECK_THROWS_AS(check(metadata), Error);
        CHECK_THROWS_AS(render_metadata(metadata), Error);
        CHECK_THROWS_AS(render_bus_policy(metadata), Error);
        CHECK_THROWS_AS(render_polkit_rules(metadata), Error);
    }
    Metadata twice;
    twice.owners = {{"a", 5, 5}, {"b", 5, 6}};
    CHECK_THROWS_AS(check(twice), Error);
    twice.owners = {{"a", 5, 5}, {"a", 6, 6}};
    CHECK_THROWS_AS(check(twice), Error);
}

TEST_CASE("an install file that others could have written is not trusted") {
    const Folder folder;
    const auto path = folder.path + "/install.toml";
    auto code = [&](const std::string& p) {
        try {
            read_metadata(p);
        } catch (const Error& error) {
            return error.code();
        }
        return ErrorCode::Cancelled; // stands for: accepted
    };
    CHECK(code(path) == ErrorCode::NotFound);
    write_file_atomically(path, render_metadata(example()), 0644);
    if (::geteuid() == 0) {
        CHECK(read_metadata(path) == example());
        for (const mode_t mode : {0664, 0646, 0666}) {
            ::chmod(path.c_str(), mode);
            CHECK(code(path) == ErrorCode::FailedPrecondition);
        }
        ::chmod(path.c_str(), 0644);
        REQUIRE(::chown(path.c_str(), 1000, 0) == 0);
    }
    CHECK(code(path) == ErrorCode::FailedPrecondition); // someone else's
    REQUIRE(::symlink(path.c_str(), (folder.path + "/link").c_str()) == 0);
    CHECK(code(folder.path + "/link") != ErrorCode::Cancelled);
    REQUIRE(::mkfifo((folder.path + "/fifo").c_str(), 0600) == 0);
    CHECK(code(folder.path + "/fifo") == ErrorCode::FailedPrecondition);
    CHECK(code(folder.path) == ErrorCode::FailedPrecondition);
}
