// Plan and apply, against a tree of their own.
#include "base/error.hpp"
#include "base/file.hpp"
#include "install/accounts.hpp"
#include "install/apply.hpp"
#include "install/digest.hpp"
#include "install/install.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

using namespace banger;
using namespace banger::install;

namespace {

constexpr const char* rules = "/etc/polkit-1/rules.d/60-banger.rules";
constexpr const char* unit = "/etc/systemd/system/banger-helper.service";

/// A tree with accounts and programs.
struct Sandbox {
    std::string path = [] {
        char name[] = "/tmp/banger-tree-XXXXXX";
        return std::string(::mkdtemp(name));
    }();
    Tree tree{path};
    Programs programs{"/usr/bin", {"/usr/bin/banger", "/usr/lib/banger/libbanger-helper.so"}};

    Sandbox() {
        ::umask(022);
        tree.write("/etc/passwd",
                   "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n"
                   "bob:x:1001:1001::/home/bob:/bin/sh\n",
                   0644);
        for (const auto& program : programs.files)
            tree.write(program, "program", 0755);
    }
    ~Sandbox() { std::filesystem::remove_all(path); }

    Plan plan(const std::vector<std::string>& names, bool overwrite = false) const {
        Metadata before;
        if (tree.look(metadata_path))
            before = parse_metadata(tree.look(metadata_path)->content);
        Metadata after;
        after.version = "1";
        after.owners = find_owners(tree, names);
        after.paths.bindir = programs.bindir;
        return make_plan(tree, before, after, programs, overwrite);
    }
    Plan install(const std::vector<std::string>& names, bool overwrite = false) const {
        auto made = plan(names, overwrite);
        apply(tree, made);
        return made;
    }
    std::string content(const std::string& file) const { return tree.look(file).value().content; }
};

ChangeKind kind_of(const Plan& plan, const std::string& path) {
    const auto found =
        std::find_if(plan.changes.begin(), plan.changes.end(), [&](const auto& c) { return c.path == path; });
    REQUIRE(found != plan.changes.end());
    return found->kind;
}

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != text.npos;
}

} // namespace

TEST_CASE("SHA-256 is what sha256sum(1) prints") {
    CHECK(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("a first install writes all, a second nothing") {
    const Sandbox box;
    const auto first = box.install({"alice"});
    CHECK(std::all_of(first.changes.begin(), first.changes.end(),
                      [](const auto& c) { return c.kind == ChangeKind::Write; }));
    CHECK(holds(box.content(rules), "\"alice\""));
    CHECK(holds(box.content(unit), "ExecStart=/usr/bin/banger helper"));
    CHECK(box.tree.look(rules)->mode == 0644);
    const auto metadata = parse_metadata(box.content(metadata_path));
    CHECK(metadata.file("/usr/bin/banger")->sha256 == sha256("program"));
    CHECK_FALSE(metadata.file("/usr/bin/banger")->written);
    CHECK(std::all_of(metadata.files.begin(), metadata.files.end(),
                      [](const auto& f) { return f.previous.empty(); }));
    struct stat status{};
    REQUIRE(::stat(box.tree.at(metadata_path).c_str(), &status) == 0);
    const auto inode = status.st_ino;
    const auto second = box.install({"alice"});
    CHECK_FALSE(second.changes_anything());
    REQUIRE(::stat(box.tree.at(metadata_path).c_str(), &status) == 0);
    CHECK(status.st_ino == inode);
}

TEST_CASE("owners come and go with the list") {
    const Sandbox box;
    box.install({"alice"});
    const auto added = box.install({"alice", "bob"});
    CHECK(kind_of(added, rules) == ChangeKind::Replace);
    CHECK(kind_of(added, unit) == ChangeKind::Unchanged);
    CHECK(holds(box.content(rules), "\"alice\", \"bob\""));
    box.install({"bob"});
    CHECK_FALSE(holds(box.content(rules), "alice"));
    CHECK(parse_metadata(box.content(metadata_path)).owners.size() == 1);
    CHECK_THROWS_AS(box.plan({"carol"}), Error);
    CHECK_THROWS_AS(box.plan({"root"}), Error);
    CHECK_THROWS_AS(box.plan({"bob", "bob"}), Error);
}

TEST_CASE("what somebody changed is kept, and goes on being told") {
    const Sandbox box;
    box.install({"alice"});
    box.tree.write(unit, "[Service]\nExecStart=/bin/true\n", 0644);
    const auto kept = box.install({"alice"});
    CHECK(kind_of(kept, unit) == ChangeKind::Keep);
    CHECK(box.content(unit) == "[Service]\nExecStart=/bin/true\n");
    const auto states = file_states(box.tree, parse_metadata(box.content(metadata_path)));
    CHECK(std::count_if(states.begin(), states.end(), [](const auto& s) { return s.state == "changed"; }) ==
          1);
    const auto overwritten = box.install({"alice"}, true);
    CHECK(kind_of(overwritten, unit) == ChangeKind::Replace);
    CHECK(holds(box.content(unit), "banger helper"));
}

TEST_CASE("a mask of the administrator's is kept") {
    const Sandbox box;
    box.install({"alice"});
    std::filesystem::remove(box.tree.at(unit));
    std::filesystem::create_symlink("/dev/null", box.tree.at(unit));
    CHECK(kind_of(box.install({"alice"}), unit) == ChangeKind::Keep);
    CHECK(std::filesystem::is_symlink(box.tree.at(unit)));
}

TEST_CASE("what stood there before is put aside") {
    const Sandbox box;
    box.tree.write(rules, "somebody's", 0600);
    CHECK(kind_of(box.install({"alice"}), rules) == ChangeKind::Save);
    CHECK(box.content(aside_path(rules)) == "somebody's");
    CHECK(holds(box.content(rules), "alice"));
}

TEST_CASE("a file that others could write is made root's alone again") {
    const Sandbox box;
    box.install({"alice"});
    REQUIRE(::chmod(box.tree.at(rules).c_str(), 0666) == 0);
    CHECK(kind_of(box.install({"alice"}), rules) == ChangeKind::Replace);
    CHECK(box.tree.look(rules)->mode == 0644);
}

TEST_CASE("a package's file makes ours superfluous") {
    const Sandbox box;
    box.install({"alice"});
    box.tree.write("/usr/lib/systemd/system/banger-helper.service", render_helper_unit("/usr/bin"), 0644);
    CHECK(kind_of(box.install({"alice"}), unit) == ChangeKind::Remove);
    CHECK_FALSE(box.tree.look(unit));
    const auto metadata = parse_metadata(box.content(metadata_path));
    CHECK(metadata.file(unit) == nullptr);
    CHECK_FALSE(metadata.file("/usr/lib/systemd/system/banger-helper.service")->written);
    const auto again = box.install({"alice"});
    CHECK(kind_of(again, unit) == ChangeKind::Packaged);
    CHECK_FALSE(again.changes_anything());
    box.tree.write("/usr/lib/systemd/system/banger-helper.service", "another version's", 0644);
    CHECK(kind_of(box.install({"alice"}), unit) == ChangeKind::Write);
}

TEST_CASE("a failure half-way takes all of it back") {
    const Sandbox box;
    box.install({"alice"});
    const auto before = box.content(metadata_path);
    auto plan = box.plan({"alice", "bob"});
    // A folder stands where the last file should go.
    plan.changes.push_back({ChangeKind::Write, "/etc/passwd/x", "text", {}});
    CHECK_THROWS_AS(apply(box.tree, plan), std::exception);
    CHECK(box.content(metadata_path) == before);
    CHECK_FALSE(holds(box.content(rules), "bob"));
    CHECK_FALSE(box.plan({"alice"}).changes_anything());
}

TEST_CASE("an install that was cut off is taken up again") {
    const Sandbox box;
    box.install({"alice"});
    const auto old_rules = box.content(rules);
    // Killed when the files were in place and nobody had been told: the metadata says so.
    const auto plan = box.plan({"alice", "bob"});
    CHECK_THROWS_AS(apply(box.tree, plan, [] { throw Error(ErrorCode::Unavailable, "no bus"); }), Error);
    const auto cut = parse_metadata(box.content(metadata_path));
    CHECK(cut.file(rules)->previous == sha256(old_rules));
    CHECK(cut.file(rules)->sha256 == sha256(box.content(rules)));
    bool told = false;
    apply(box.tree, box.plan({"alice", "bob"}), [&] { told = true; });
    CHECK(told);
    CHECK_FALSE(box.plan({"alice", "bob"}).changes_anything());
    // Killed before that file was written.
    box.tree.write(metadata_path, render_metadata(cut), 0644);
    box.tree.write(rules, old_rules, 0644);
    const auto again = box.install({"alice", "bob"});
    CHECK(kind_of(again, rules) == ChangeKind::Replace);
    CHECK(holds(box.content(rules), "bob"));
    CHECK_FALSE(box.plan({"alice", "bob"}).changes_anything());
}

TEST_CASE("a first install that was cut off is taken up, too") {
    const Sandbox box;
    CHECK_THROWS_AS(
        apply(box.tree, box.plan({"alice"}), [] { throw Error(ErrorCode::Unavailable, "no bus"); }), Error);
    CHECK(parse_metadata(box.content(metadata_path)).file(rules)->previous == sha256(""));
    CHECK(box.plan({"alice"}).changes_anything());
    box.install({"alice"});
    CHECK_FALSE(box.plan({"alice"}).changes_anything());
}

TEST_CASE("programs must be root's alone, with the folders on the way") {
    const Sandbox box;
    CHECK(distrust(box.tree, "/usr/bin/banger").empty());
    REQUIRE(::chmod(box.tree.at("/usr/bin").c_str(), 0777) == 0);
    CHECK(holds(distrust(box.tree, "/usr/bin/banger"), "/usr/bin can be written by others"));
    CHECK_THROWS_AS(require_trusted(box.tree, {"/usr/bin/banger"}), Error);
    REQUIRE(::chmod(box.tree.at("/usr/bin").c_str(), 0755) == 0);
    if (::geteuid() == 0) {
        REQUIRE(::chown(box.tree.at("/usr/bin/banger").c_str(), 1000, 0) == 0);
        CHECK(holds(distrust(box.tree, "/usr/bin/banger"), "does not belong to root"));
    }
    CHECK(holds(distrust(box.tree, "/usr/bin/nothing"), "No such file"));
    CHECK(holds(distrust(box.tree, "/usr/bin"), "no regular file"));
    CHECK(holds(distrust(Tree(), "/home/x/banger"), "hide"));
}

TEST_CASE("uninstall from another tree leaves what was there before") {
    const Sandbox box;
    if (::geteuid() != 0)
        return;
    box.install({"alice"});
    box.tree.write(unit, "changed", 0644);
    std::filesystem::create_directories(box.tree.at("/home/alice/.local/share/banger"));
    auto report = uninstall({box.path, false, false});
    CHECK(report.was_installed);
    CHECK(report.kept == std::vector<std::string>{unit});
    CHECK(report.data == std::vector<std::string>{"/home/alice/.local/share/banger"});
    CHECK_FALSE(box.tree.look(rules));
    CHECK_FALSE(std::filesystem::exists(box.tree.at("/etc/banger")));
    CHECK(box.tree.look("/usr/bin/banger"));
    CHECK_FALSE(uninstall({box.path, false, false}).was_installed);
    box.tree.remove(unit);
    box.install({"alice"});
    std::filesystem::create_directories(box.tree.at("/var/lib/banger/jails"));
    report = uninstall({box.path, true, false});
    CHECK_FALSE(std::filesystem::exists(box.tree.at("/var/lib/banger")));
    CHECK_FALSE(std::filesystem::exists(box.tree.at("/etc/banger")));
}

TEST_CASE("one install at a time") {
    const Sandbox box;
    box.install({"alice"});
    const auto held = open_file(box.tree.at("/etc/banger"), O_RDONLY | O_DIRECTORY);
    REQUIRE(::flock(held.get(), LOCK_EX) == 0);
    CHECK_THROWS_AS(uninstall({box.path, false, false}), Error);
}

TEST_CASE("the helper's list of VMs") {
    const auto vms = parse_known_vms("[{\"uid\":5,\"vm\":\"abc\",\"running\":true}]\n");
    REQUIRE(vms.size() == 1);
    CHECK(vms[0].uid == 5);
    CHECK(vms[0].running);
    CHECK(parse_known_vms("[]").empty());
    for (const char* bad : {"", "{", "[1]", "[{\"uid\":\"x\"}]"})
        CHECK_THROWS_AS(parse_known_vms(bad), Error);
}
