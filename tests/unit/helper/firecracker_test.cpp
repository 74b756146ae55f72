// Firecracker and its jailer: which are taken, and what banger-jail is told of them.
#include "../base/scratch.hpp"
#include "base/file.hpp"
#include "helper/firecracker.hpp"
#include "helper/jailer_start.hpp"
#include "jail/jailer_plan.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace banger;
using namespace banger::helper;

namespace {

/// Below /var/lib, since what lies in /tmp is trusted by nobody; root's, as the programs must be.
class Folder {
public:
    Folder() {
        std::string path = "/var/lib/banger-test-XXXXXX";
        if (const char* made = ::mkdtemp(path.data()))
            path_ = made;
    }
    ~Folder() {
        if (!path_.empty())
            remove_tree(path_);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    explicit operator bool() const { return !path_.empty() && ::chmod(path_.c_str(), 0755) == 0; }
    const std::string& path() const { return path_; }
    void put(const std::string& name, const std::string& says, unsigned mode = 0755) const {
        write_file_atomically(path_ + "/" + name, "#!/bin/sh\necho '" + says + "'\n", mode);
        ::chmod((path_ + "/" + name).c_str(), mode);
    }
    void put_both(const std::string& version) const {
        put("firecracker", "Firecracker v" + version);
        put("jailer", "Jailer v" + version);
    }

private:
    std::string path_;
};

std::string refusal(FirecrackerFinder& finder) {
    try {
        finder.open();
    } catch (const Error& error) {
        return std::string(error_kind(error.code()).name) + ": " + error.message();
    }
    return {};
}

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != text.npos;
}

const jail::JailerPlan example{"/var/lib/banger/jails/1001-abcdef012345",
                               "abcdef012345",
                               1001,
                               1002,
                               {{jail::BindMode::Folder, "/run"},
                                {jail::BindMode::ReadOnly, "/kernel"},
                                {jail::BindMode::ReadWrite, "/drives/work"}}};

} // namespace

TEST_CASE("a program's version, as it tells it") {
    const auto version =
        parse_program_version("Firecracker", "Firecracker v1.16.1\n\nSupported snapshot …\n");
    REQUIRE(version);
    CHECK(*version == ProgramVersion{1, 16, "1.16.1"});
    CHECK(parse_program_version("Jailer", "Jailer v1.10.0-dev")->text == "1.10.0-dev");
    CHECK(parse_program_version("Jailer", "Jailer v2.0")->major == 2);
    for (const char* other :
         {"", "\n", "Firecracker", "Firecracker v", "Firecracker v1", "Firecracker v1.", "Firecracker v1.x",
          "Firecracker 1.16.1", "Firecracker v-1.16", "Firecracker v1.16.1 beta", "Firecracker v1.16x",
          "Firecracker v99999999999.1", "Jailer v1.16.1", " Firecracker v1.16.1", "Firecracker v1.\n16"})
        CHECK_FALSE(parse_program_version("Firecracker", other));
    CHECK_FALSE(parse_program_version("Jailer", "Jailer v1.1" + std::string(70, '1')));
}

TEST_CASE("both programs are found, of one version that is new enough") {
    const Folder first, second;
    if (::geteuid() != 0 || !first || !second) {
        MESSAGE("needs root");
        return;
    }
    FirecrackerFinder finder({first.path(), second.path()}, second.path() + "/install.toml");
    CHECK(holds(refusal(finder), "Unavailable: firecracker is not installed"));
    second.put("firecracker", "Firecracker v1.16.1");
    CHECK(holds(refusal(finder), "Unavailable: jailer is not installed"));
    second.put("jailer", "Jailer v1.16.1");
    CHECK(finder.open().version == "1.16.1");
    first.put("firecracker", "Firecracker v1.15.0");
    CHECK(holds(refusal(finder), "FailedPrecondition: firecracker is version 1.15.0 and its jailer 1.16.1"));
    first.put_both("1.9.9");
    CHECK(holds(refusal(finder),
                "FailedPrecondition: " + first.path() + "/firecracker is version 1.9.9, which is too old"));
    first.put_both("nonsense");
    CHECK(holds(refusal(finder), "does not tell a version that is understood"));
    first.put_both("1.10.0");
    CHECK(finder.open().version == "1.10.0");
}

TEST_CASE("only programs that can be trusted are taken") {
    const Folder first;
    if (::geteuid() != 0 || !first) {
        MESSAGE("needs root");
        return;
    }
    FirecrackerFinder finder({first.path()}, first.path() + "/install.toml");
    first.put_both("1.10.0");
    CHECK(finder.open().version == "1.10.0");
    SUBCASE("writable by others") {
        ::chmod((first.path() + "/jailer").c_str(), 0775);
        CHECK(holds(refusal(finder), "jailer can be written by others than root"));
    }
    SUBCASE("in a folder that others can write") {
        ::chmod(first.path().c_str(), 0777);
        CHECK(holds(refusal(finder), "can be written by others than root"));
    }
    SUBCASE("of another owner") {
        CHECK(::chown((first.path() + "/firecracker").c_str(), 65534, 65534) == 0);
        CHECK(holds(refusal(finder), "firecracker does not belong to root"));
    }
    SUBCASE("not executable") {
        ::chmod((first.path() + "/firecracker").c_str(), 0644);
        CHECK(holds(refusal(finder), "is not executable"));
    }
    SUBCASE("a symlink") {
        CHECK(::rename((first.path() + "/jailer").c_str(), (first.path() + "/real").c_str()) == 0);
        CHECK(::symlink("real", (first.path() + "/jailer").c_str()) == 0);
        CHECK(holds(refusal(finder), "jailer is a symlink"));
    }
    SUBCASE("a fifo, which does not hold it up") {
        ::unlink((first.path() + "/jailer").c_str());
        CHECK(::mkfifo((first.path() + "/jailer").c_str(), 0700) == 0);
        CHECK(holds(refusal(finder), "jailer is no regular file"));
    }
}

TEST_CASE("a program is asked once, as nobody, as long as it stays the same") {
    const Folder folder;
    const test::Scratch scratch;
    if (::geteuid() != 0 || !folder) {
        MESSAGE("needs root");
        return;
    }
    const auto log = scratch.path() + "/asked";
    write_file_atomically(log, "", 0666);
    ::chmod(log.c_str(), 0666);
    ::chmod(scratch.path().c_str(), 0755);
    folder.put_both("1.16.1");
    folder.put("jailer", "Jailer v1.16.1'; id -u >>" + log + "; echo '");
    FirecrackerFinder finder({folder.path()}, folder.path() + "/install.toml");
    CHECK(finder.open().version == "1.16.1");
    CHECK(finder.open().version == "1.16.1");
    CHECK(read_file(log) == "65534\n");
    folder.put("jailer", "Jailer v1.16.2");
    CHECK(holds(refusal(finder), "firecracker is version 1.16.1 and its jailer 1.16.2"));
}

TEST_CASE("what banger-jail is told for a jailer, and back") {
    const auto plan = jail::to_plan(example);
    CHECK(plan.words == std::vector<std::string>{"/var/lib/banger/jails/1001-abcdef012345", "abcdef012345",
                                                 "1001", "1002", "folder:/run", "ro:/kernel",
                                                 "rw:/drives/work"});
    CHECK(jail::parse_jailer_plan(plan) == example);
    CHECK(jail::parse_jailer_plan(jail::parse_plan(jail::render(plan))) == example);
}

TEST_CASE("what no jailer is told") {
    const auto good = jail::to_plan(example).words;
    const auto refused = [&](size_t at, const std::string& word) {
        auto words = good;
        words[at] = word;
        CHECK_THROWS_AS(jail::parse_jailer_plan({words}), Error);
    };
    for (const char* folder : {"", "/", "jails", "/a/../b", "/a//b", "/a/.", "/a/"})
        refused(0, folder);
    for (const char* id : {"", "ABCDEF012345", "abc", "../../etc/x", "abcdef01234/"})
        refused(1, id);
    for (const char* number : {"", "0", "-1", "01001", "4294967295", "4294967296", "1001 ", "x"}) {
        refused(2, number);
        refused(3, number);
    }
    for (const char* bind :
         {"", "ro", "ro:", ":/kernel", "xx:/kernel", "rw:/kernel", "ro:/run", "folder:/kernel", "ro:/drives/",
          "ro:/drives/a/b", "ro:/drives/..", "ro:/drives/A", "ro:/etc", "ro:/firecracker", "folder:/dev",
          "ro:/initrd/", "folder:/run"}) // the last: twice
        refused(5, bind);
    CHECK_THROWS_AS(jail::parse_jailer_plan({{good[0], good[1], good[2]}}), Error);
    auto many = good;
    for (int i = 0; i < 30; ++i)
        many.push_back("ro:/drives/d" + std::to_string(i));
    CHECK_THROWS_AS(jail::parse_jailer_plan({many}), Error);
}

TEST_CASE("a jail's files and their descriptors go together") {
    JailSpec spec;
    spec.name = "1001-abcdef012345";
    spec.vm = "abcdef012345";
    spec.uid = 1001;
    spec.gid = 1002;
    spec.output_fd = 10;
    spec.jailer_fd = 11;
    spec.program_fd = 12;
    spec.run_fd = 13;
    spec.kernel_fd = 14;
    spec.drives = {{"work", false, 15}, {"base", true, 16}};
    const auto start = jailer_start(spec);
    CHECK(start.descriptors == std::vector<int>{10, 11, 12, 13, 14, 15, 16});
    const auto plan = jail::parse_jailer_plan(start.plan);
    CHECK(plan.folder == "/var/lib/banger/jails/1001-abcdef012345");
    CHECK(plan.binds.size() + jail::descriptors_before_binds == start.descriptors.size());
    CHECK(plan.binds[2] == jail::Bind{jail::BindMode::ReadWrite, "/drives/work"});
    CHECK(plan.binds.back() == jail::Bind{jail::BindMode::ReadOnly, "/drives/base"});
}
