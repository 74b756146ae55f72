// Installs and uninstalls that are killed, at each step that changes a file.
#include "install/accounts.hpp"
#include "install/apply.hpp"
#include "install/install.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>

using namespace banger;
using namespace banger::install;

namespace {

constexpr const char* rules = "/etc/polkit-1/rules.d/60-banger.rules";
constexpr const char* unit = "/etc/systemd/system/banger-helper.service";
constexpr const char* slice = "/etc/systemd/system/banger.slice";
constexpr int killed = 99;

int steps_left = -1; ///< of this process; negative: no end

/// As kill -9 would: nothing is taken back.
void step() {
    if (steps_left >= 0 && steps_left-- == 0)
        ::_exit(killed);
}

} // namespace

// Every change of a file passes one of these, before which and after which the process may be killed.
extern "C" int rename(const char* from, const char* to) noexcept {
    step();
    const auto result = ::syscall(SYS_rename, from, to);
    step();
    return static_cast<int>(result);
}
extern "C" int unlink(const char* path) noexcept {
    step();
    const auto result = ::syscall(SYS_unlink, path);
    step();
    return static_cast<int>(result);
}

namespace {

/// A tree in which an install has something to write, to replace, to put aside, to remove and to keep.
struct Sandbox {
    std::string path = [] {
        char name[] = "/tmp/banger-cut-XXXXXX";
        return std::string(::mkdtemp(name));
    }();
    Tree tree{path};
    Programs programs{"/usr/bin", {"/usr/bin/banger"}};

    Sandbox() {
        ::umask(022);
        tree.write("/etc/passwd",
                   "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n"
                   "bob:x:1001:1001::/home/bob:/bin/sh\n",
                   0644);
        tree.write("/usr/bin/banger", "program", 0755);
        install({"alice"});
        tree.remove(unit);
        auto metadata = read_metadata(tree.at(metadata_path));
        std::erase_if(metadata.files, [](const auto& file) { return file.path == slice; });
        tree.write(metadata_path, render_metadata(metadata), 0644);
        tree.write(slice, "somebody's", 0600);
        tree.write("/usr/lib/systemd/user/banger-daemon.service", render_daemon_unit("/usr/bin"), 0644);
        std::filesystem::create_directories(tree.at("/home/alice/.local/share/banger"));
    }
    ~Sandbox() { std::filesystem::remove_all(path); }

    Plan plan(const std::vector<std::string>& names) const {
        Metadata before;
        if (tree.look(metadata_path))
            before = read_metadata(tree.at(metadata_path));
        Metadata after;
        after.version = "1";
        after.owners = find_owners(tree, names);
        after.paths.bindir = programs.bindir;
        return make_plan(tree, before, after, programs, false);
    }
    void install(const std::vector<std::string>& names) const { apply(tree, plan(names)); }

    bool has_unfinished() const {
        const std::filesystem::recursive_directory_iterator files(path);
        return std::any_of(begin(files), end(files), [](const auto& file) {
            return file.path().string().find(".new-") != std::string::npos;
        });
    }
};

/// True when it was killed at that step; false when it came to its end before.
bool killed_at(int number, const std::function<void()>& body) {
    const int child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        steps_left = number;
        try {
            body();
        } catch (...) {
            ::_exit(1);
        }
        ::_exit(0);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    REQUIRE((WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == killed));
    return WEXITSTATUS(status) == killed;
}

/// Calls `check` with the number of the step for each step of `body` in a fresh box; how many there are.
int at_each_step(const std::function<void(const Sandbox&)>& body,
                 const std::function<void(const Sandbox&)>& check) {
    for (int number = 0;; ++number) {
        const Sandbox box;
        CAPTURE(number);
        if (!killed_at(number, [&] { body(box); }))
            return number;
        check(box);
    }
}

void install_both(const Sandbox& box) {
    box.install({"alice", "bob"});
}

} // namespace

TEST_CASE("an install that is killed at any step is taken up by the next") {
    if (::geteuid() != 0)
        return;
    const auto steps = at_each_step(install_both, [](const Sandbox& box) {
        const auto plan = box.plan({"alice", "bob"});
        CHECK(std::none_of(plan.changes.begin(), plan.changes.end(),
                           [](const auto& change) { return change.kind == ChangeKind::Keep; }));
        apply(box.tree, plan);
        CHECK(box.tree.look(aside_path(slice))->content == "somebody's");
        CHECK(box.tree.look(slice)->content == render_slice());
        CHECK(box.tree.look(unit)->content == render_helper_unit("/usr/bin"));
        CHECK_FALSE(box.tree.look("/etc/systemd/user/banger-daemon.service"));
        CHECK(box.tree.look(rules)->content.find("bob") != std::string::npos);
        CHECK_FALSE(box.plan({"alice", "bob"}).changes_anything());
        CHECK_FALSE(box.has_unfinished());
    });
    CHECK(steps > 10);
}

TEST_CASE("a second install that is killed, too, leaves enough for a third") {
    if (::geteuid() != 0)
        return;
    at_each_step(
        [](const Sandbox& box) { // the first is killed when all but the bus policy is in place
            killed_at(16, [&] { install_both(box); });
            install_both(box);
        },
        [](const Sandbox& box) {
            box.install({"alice"});
            CHECK(box.tree.look(aside_path(slice))->content == "somebody's");
            CHECK(box.tree.look(rules)->content.find("bob") == std::string::npos);
            CHECK_FALSE(box.plan({"alice"}).changes_anything());
        });
}

TEST_CASE("after an install that was killed at any step, an uninstall takes what is ours, and no more") {
    if (::geteuid() != 0)
        return;
    at_each_step(install_both, [](const Sandbox& box) {
        uninstall({box.path, false, false});
        const auto left = box.tree.look(slice);
        const auto aside = box.tree.look(aside_path(slice));
        CHECK(((left && left->content == "somebody's") || (aside && aside->content == "somebody's")));
        CHECK_FALSE((left && left->content == render_slice()));
        for (const char* ours : {rules, unit, metadata_path})
            CHECK_FALSE(box.tree.look(ours));
        CHECK_FALSE(box.has_unfinished());
    });
}

TEST_CASE("an uninstall that is killed at any step is finished by the next") {
    if (::geteuid() != 0)
        return;
    const auto steps = at_each_step(
        [](const Sandbox& box) {
            install_both(box);
            std::filesystem::create_directories(box.tree.at("/home/bob/.cache/banger"));
            uninstall({box.path, false, false});
        },
        [](const Sandbox& box) {
            if (!std::filesystem::exists(box.tree.at("/home/bob")))
                return; // of the install before it
            const bool metadata = box.tree.look(metadata_path).has_value();
            const auto report = uninstall({box.path, false, false});
            CHECK(report.was_installed == metadata);
            if (metadata)
                CHECK(report.data ==
                      std::vector<std::string>{"/home/alice/.local/share/banger", "/home/bob/.cache/banger"});
            CHECK(report.kept.empty());
            for (const char* ours : {rules, unit, slice, metadata_path})
                CHECK_FALSE(box.tree.look(ours));
            CHECK_FALSE(box.has_unfinished());
            CHECK_FALSE(std::filesystem::exists(box.tree.at("/etc/banger")));
        });
    CHECK(steps > 20);
}
