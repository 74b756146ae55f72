#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "cli/workspace.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

using namespace banger;
using namespace banger::cli;
using namespace std::string_view_literals;

namespace {

constexpr auto blob = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";

std::string record(const std::string& mode, const std::string& path, int stage = 0) {
    return mode + " " + blob + " " + std::to_string(stage) + "\t" + path + std::string(1, '\0');
}

template <class Body>
ErrorCode code_of(Body&& body) {
    try {
        body();
    } catch (const Error& error) {
        return error.code();
    }
    return ErrorCode::Internal;
}

/// A folder with a repository in it, removed at the end.
class Repository {
public:
    Repository() {
        char path[] = "/tmp/banger-workspace-XXXXXX";
        REQUIRE(::mkdtemp(path));
        folder_ = path;
        make_directories(top() + "/src/deep");
        git({"init", "--quiet", "."});
        write("README", "hello\n");
        write("src/deep/main.c", "int main;\n");
        write("run.sh", "#!/bin/sh\n");
        ::chmod((top() + "/run.sh").c_str(), 0755);
        REQUIRE(::symlink("README", (top() + "/link").c_str()) == 0);
        git({"add", "."});
    }
    ~Repository() { remove_tree(folder_); }

    std::string top() const { return folder_ + "/repo"; }
    std::string beside(const std::string& name) const { return folder_ + "/" + name; }
    void write(const std::string& path, const std::string& content) {
        write_file_atomically(top() + "/" + path, content, 0644);
    }
    void git(std::vector<std::string> words) {
        ProcessSpec spec;
        spec.program = find_program("git", "git");
        spec.arguments = {"-c", "safe.directory=*", "-c", "user.name=t", "-c", "user.email=t@example.org"};
        spec.arguments.insert(spec.arguments.end(), words.begin(), words.end());
        spec.environment = {"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "PATH=/usr/bin:/bin"};
        spec.directory = top();
        run_checked(spec);
    }

private:
    std::string folder_;
};

using Files = std::vector<std::string>;

} // namespace

TEST_CASE("git's list of files") {
    CHECK(parse_tracked_files("").empty());
    CHECK(parse_tracked_files(record("100644", "a") + record("100755", "b/c d") + record("120000", "l")) ==
          Files{"a", "b/c d", "l"});
    CHECK(parse_tracked_files(record("100644", "new\nline") + record("100644", "tab\there")) ==
          Files{"new\nline", "tab\there"});
}

TEST_CASE("a file in conflict is one file") {
    CHECK(parse_tracked_files(record("100644", "a", 1) + record("100644", "a", 2) +
                              record("100644", "a", 3)) == Files{"a"});
}

TEST_CASE("submodules are refused by name") {
    try {
        parse_tracked_files(record("100644", "a") + record("160000", "libs/one") + record("160000", "two"));
        FAIL("not refused");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::Unsupported);
        CHECK(error.message().find("libs/one, two") != std::string::npos);
        CHECK_FALSE(error.hint().empty());
    }
}

TEST_CASE("paths that lead out, or into .git, are refused") {
    for (const auto* path : {"", "/etc/passwd", "../x", "a/../b", "a/..", "./a", "a//b", "a/", ".git/config",
                             "sub/.git/hooks/x", ".GIT/config"}) {
        CAPTURE(path);
        CHECK(code_of([&] { parse_tracked_files(record("100644", path)); }) == ErrorCode::InvalidArgument);
    }
    CHECK(parse_tracked_files(record("100644", ".gitignore") + record("100644", "..a")) ==
          Files{".gitignore", "..a"});
}

TEST_CASE("what git does not write is refused") {
    for (const auto text :
         {"garbage"sv, "100644 x 0\ta"sv, "no tab\0"sv, "\0"sv, "1 2 3\ta\0"sv, "\ta\0"sv}) {
        CAPTURE(text);
        CHECK(code_of([&] { parse_tracked_files(text); }) == ErrorCode::InvalidArgument);
    }
}

TEST_CASE("a workspace is the tracked files as they stand") {
    Repository repository;
    repository.write("README", "changed\n");
    repository.write("untracked", "x");
    repository.write("gone", "x");
    repository.git({"add", "gone"});
    ::unlink((repository.top() + "/gone").c_str());
    const auto workspace = open_workspace(repository.top());
    CHECK(workspace.root == repository.top());
    CHECK(workspace.name == "repo");
    CHECK(workspace.files == Files{"README", "link", "run.sh", "src/deep/main.c"});
    CHECK(workspace.guest_root() == "/root/repo");
    CHECK(workspace.guest_directory() == "/root/repo");
}

TEST_CASE("a folder below the top takes the whole repository along, and is where the command begins") {
    Repository repository;
    const auto workspace = open_workspace(repository.top() + "/src/deep");
    CHECK(workspace.root == repository.top());
    CHECK(workspace.subdirectory == "src/deep");
    CHECK(workspace.guest_directory() == "/root/repo/src/deep");
    CHECK(workspace.files.size() == 4);
}

TEST_CASE("what is no workspace is refused with something to do") {
    Repository repository;
    CHECK(code_of([&] { open_workspace(repository.beside("")); }) == ErrorCode::InvalidArgument);
    CHECK(code_of([&] { open_workspace(repository.top() + "/README"); }) == ErrorCode::InvalidArgument);
    CHECK(code_of([&] { open_workspace(repository.beside("missing")); }) == ErrorCode::NotFound);
    CHECK(code_of([&] { open_workspace("/"); }) == ErrorCode::InvalidArgument);
    make_directories(repository.top() + "/empty");
    CHECK(code_of([&] { open_workspace(repository.top() + "/empty"); }) == ErrorCode::InvalidArgument);
    make_directories(repository.beside("fake/.git"));
    CHECK(code_of([&] { open_workspace(repository.beside("fake")); }) == ErrorCode::InvalidArgument);
}

TEST_CASE("a repository that belongs to somebody else is read all the same") {
    if (::geteuid() != 0)
        return;
    Repository repository;
    REQUIRE(::lchown(repository.top().c_str(), 12345, 12345) == 0);
    REQUIRE(::lchown((repository.top() + "/.git").c_str(), 12345, 12345) == 0);
    CHECK(open_workspace(repository.top()).files.size() == 4);
}

TEST_CASE("a repository's configuration chooses neither programs nor folders") {
    Repository repository;
    const auto proof = repository.beside("proof");
    repository.write("spy.sh", "#!/bin/sh\ntouch " + proof + "\n");
    ::chmod((repository.top() + "/spy.sh").c_str(), 0755);
    repository.git({"config", "core.fsmonitor", repository.top() + "/spy.sh"});
    repository.git({"config", "core.hooksPath", repository.top()});
    repository.git({"config", "core.worktree", "/etc"});
    const auto workspace = open_workspace(repository.top());
    CHECK(workspace.root == repository.top());
    CHECK(workspace.files.size() == 4);
    CHECK(::access(proof.c_str(), F_OK) != 0);
}

TEST_CASE("a symlink in place of a folder does not lead out, and nothing but files and symlinks is taken") {
    Repository repository;
    make_directories(repository.beside("secret/deep"));
    write_file_atomically(repository.beside("secret/deep/main.c"), "secret");
    remove_tree(repository.top() + "/src");
    REQUIRE(::symlink("../secret", (repository.top() + "/src").c_str()) == 0);
    ::unlink((repository.top() + "/README").c_str());
    REQUIRE(::mkfifo((repository.top() + "/README").c_str(), 0600) == 0);
    CHECK(open_workspace(repository.top()).files == Files{"link", "run.sh"});
}

TEST_CASE("a linked working tree is a workspace too") {
    Repository repository;
    repository.git({"commit", "--quiet", "-m", "all"});
    repository.git({"worktree", "add", "--quiet", "-b", "other", repository.beside("linked")});
    const auto workspace = open_workspace(repository.beside("linked"));
    CHECK(workspace.name == "linked");
    CHECK(workspace.files.size() == 4);
}
