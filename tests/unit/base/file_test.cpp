#include "base/file.hpp"
#include "base/process.hpp"
#include "scratch.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>

using namespace banger;
using test::code_of;
using test::Scratch;
namespace fs = std::filesystem;

namespace {

unsigned mode_of(const std::string& path) {
    struct stat status{};
    return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

size_t entries(const std::string& path) {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(path))
        ++count;
    return count;
}

/// An environment variable for the length of a scope.
class Setting {
public:
    Setting(std::string name, const char* value)
        : name_(std::move(name)) {
        if (const char* old = std::getenv(name_.c_str()))
            before_ = old;
        set(value);
    }
    Setting(const Setting&) = delete;
    Setting& operator=(const Setting&) = delete;
    ~Setting() { set(before_ ? before_->c_str() : nullptr); }

private:
    void set(const char* value) const {
        if (value)
            ::setenv(name_.c_str(), value, 1);
        else
            ::unsetenv(name_.c_str());
    }
    std::string name_;
    std::optional<std::string> before_;
};

} // namespace

TEST_CASE("a file is written whole, with its mode, and nothing is left beside it") {
    const Scratch scratch;
    const auto path = scratch / "f";
    write_file_atomically(path, "one");
    CHECK(read_file(path) == "one");
    CHECK(mode_of(path) == 0600);
    write_file_atomically(path, "two", 0640, true);
    CHECK(read_file(path) == "two");
    CHECK(mode_of(path) == 0640);
    CHECK(entries(scratch.path()) == 1);
}

TEST_CASE("a write that cannot be finished leaves the old file and no half one") {
    const Scratch scratch;
    fs::create_directory(scratch / "target");
    write_file_atomically(scratch / "target/inside", "kept");
    CHECK(code_of([&] { write_file_atomically(scratch / "target", "x"); }) !=
          "none"); // rename(2) over a folder
    CHECK(read_file(scratch / "target/inside") == "kept");
    CHECK(entries(scratch.path()) == 1);
    CHECK(code_of([&] { write_file_atomically(scratch / "no/such/folder/f", "x"); }) == "NotFound");
}

TEST_CASE("a symlink at the path is replaced, not written through") {
    const Scratch scratch;
    write_file_atomically(scratch / "victim", "untouched");
    fs::create_symlink(scratch / "victim", scratch / "link");
    write_file_atomically(scratch / "link", "mine");
    CHECK(read_file(scratch / "victim") == "untouched");
    CHECK_FALSE(fs::is_symlink(scratch / "link"));
}

TEST_CASE("readers see the old or the new content, never a half") {
    const Scratch scratch;
    const auto path = scratch / "f";
    const std::string a(100'000, 'a');
    const std::string b(100'000, 'b');
    write_file_atomically(path, a);
    std::atomic<bool> done{false};
    std::thread writer([&] {
        for (int i = 0; i < 50; ++i)
            write_file_atomically(path, i % 2 ? a : b);
        done = true;
    });
    int torn = 0;
    while (!done) {
        const auto text = read_file(path);
        torn += text != a && text != b;
    }
    writer.join();
    CHECK(torn == 0);
}

TEST_CASE("reading has a limit") {
    const Scratch scratch;
    write_file_atomically(scratch / "f", std::string(1000, 'x'));
    CHECK(read_file(scratch / "f", 1000).size() == 1000);
    CHECK(code_of([&] { read_file(scratch / "f", 999); }) == "InvalidArgument");
    CHECK(code_of([&] { read_file("/dev/zero", 1 << 20); }) == "InvalidArgument");
}

TEST_CASE("directories with their parents, each with the mode; again is fine") {
    const Scratch scratch;
    make_directories(scratch / "a/b/c");
    for (const auto* path : {"a", "a/b", "a/b/c"})
        CHECK(mode_of(scratch / path) == 0700);
    make_directories(scratch / "a/b/c");
    write_file_atomically(scratch / "file", "");
    CHECK(code_of([&] { make_directories(scratch / "file/below"); }) != "none");
}

TEST_CASE("a private directory is made, kept, or tightened") {
    const Scratch scratch;
    const auto path = scratch / "run";
    ensure_private_directory(path, ::getuid());
    CHECK(mode_of(path) == 0700);
    fs::permissions(path, fs::perms(0755));
    ensure_private_directory(path, ::getuid());
    CHECK(mode_of(path) == 0700);
}

TEST_CASE("a private directory that is a symlink, a file, or somebody else's is refused") {
    const Scratch scratch;
    fs::create_directory(scratch / "elsewhere");
    fs::permissions(scratch / "elsewhere", fs::perms(0755));
    fs::create_directory_symlink(scratch / "elsewhere", scratch / "link");
    CHECK(code_of([&] { ensure_private_directory(scratch / "link", ::getuid()); }) == "FailedPrecondition");
    CHECK(mode_of(scratch / "elsewhere") == 0755);
    fs::create_symlink(scratch / "nowhere", scratch / "dangling");
    CHECK(code_of([&] { ensure_private_directory(scratch / "dangling", ::getuid()); }) ==
          "FailedPrecondition");
    CHECK_FALSE(fs::exists(scratch / "nowhere"));
    write_file_atomically(scratch / "file", "");
    CHECK(code_of([&] { ensure_private_directory(scratch / "file", ::getuid()); }) == "FailedPrecondition");
    fs::create_directory(scratch / "theirs");
    fs::permissions(scratch / "theirs", fs::perms(0755));
    CHECK(code_of([&] { ensure_private_directory(scratch / "theirs", ::getuid() + 1); }) ==
          "FailedPrecondition");
    CHECK(mode_of(scratch / "theirs") == 0755);
}

TEST_CASE("removing a tree never follows symlinks") {
    const Scratch scratch;
    make_directories(scratch / "outside");
    write_file_atomically(scratch / "outside/keep", "safe");
    make_directories(scratch / "tree/a/b");
    write_file_atomically(scratch / "tree/a/b/file", "x", 0000);
    fs::create_directory_symlink(scratch / "outside", scratch / "tree/a/escape");
    fs::create_symlink("/etc/passwd", scratch / "tree/passwd");
    fs::create_directory_symlink("..", scratch / "tree/a/up");
    remove_tree(scratch / "tree");
    CHECK_FALSE(fs::exists(scratch / "tree"));
    CHECK(read_file(scratch / "outside/keep") == "safe");
    CHECK(fs::exists("/etc/passwd"));
}

TEST_CASE("removing a symlink removes the symlink; a file, the file; nothing, nothing") {
    const Scratch scratch;
    make_directories(scratch / "outside");
    write_file_atomically(scratch / "outside/keep", "safe");
    fs::create_directory_symlink(scratch / "outside", scratch / "link");
    remove_tree(scratch / "link");
    CHECK_FALSE(fs::is_symlink(scratch / "link"));
    CHECK(read_file(scratch / "outside/keep") == "safe");
    remove_tree(scratch / "outside/keep");
    CHECK(entries(scratch / "outside") == 0);
    remove_tree(scratch / "outside/keep");
    remove_tree(scratch / "never/was/here");
}

TEST_CASE("removing stops at another filesystem") {
    const Scratch scratch;
    const auto point = scratch / "tree/point";
    make_directories(point);
    const auto root_can = [](const std::string& program, std::vector<std::string> arguments) {
        ProcessSpec spec;
        spec.program = find_program(program, "mount");
        spec.arguments = std::move(arguments);
        return run(spec).status == 0;
    };
    if (!root_can("mount", {"-t", "tmpfs", "tmpfs", point})) {
        MESSAGE("needs root to mount a tmpfs: not tried");
        return;
    }
    write_file_atomically(point + "/keep", "safe");
    CHECK(code_of([&] { remove_tree(scratch / "tree"); }) == "FailedPrecondition");
    CHECK(read_file(point + "/keep") == "safe");
    CHECK(root_can("umount", {point}));
}

TEST_CASE("XDG folders: the variable, else the default below HOME, else a clear refusal") {
    const Setting home("HOME", "/home/somebody");
    {
        const Setting data("XDG_DATA_HOME", nullptr);
        const Setting state("XDG_STATE_HOME", "/elsewhere/state");
        const Setting cache("XDG_CACHE_HOME", "relative/is/ignored");
        CHECK(xdg_data_dir() == "/home/somebody/.local/share/banger");
        CHECK(xdg_state_dir() == "/elsewhere/state/banger");
        CHECK(xdg_cache_dir() == "/home/somebody/.cache/banger");
    }
    const Setting runtime("XDG_RUNTIME_DIR", nullptr);
    CHECK(code_of([] { xdg_runtime_dir(); }) == "FailedPrecondition"); // it has no default
    const Setting no_home("HOME", nullptr);
    const Setting data("XDG_DATA_HOME", nullptr);
    CHECK(code_of([] { xdg_data_dir(); }) == "FailedPrecondition");
}
