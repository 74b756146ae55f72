#include "helper/jail.hpp"
#include "helper/process_id.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

using namespace banger;
using namespace banger::helper;

namespace {

JailSpec example() {
    JailSpec spec;
    spec.name = "1000-abcdef012345";
    spec.uid = 1000;
    spec.gid = 1001;
    spec.vm = "abcdef012345";
    spec.program_fd = 10;
    spec.run_fd = 11;
    spec.kernel_fd = 12;
    spec.initrd_fd = 13;
    spec.drives = {{"image", true, 14}, {"work", false, 15}};
    spec.tap = "btap-0123456789";
    spec.tap_fd = 16;
    spec.output_fd = 17;
    spec.info_fd = 18;
    spec.block_fd = 19;
    spec.go_fd = 20;
    return spec;
}

/// Do these words stand in the command, one after the other?
bool has(const ProcessSpec& process, const std::vector<std::string>& words) {
    return std::search(process.arguments.begin(), process.arguments.end(), words.begin(), words.end()) !=
           process.arguments.end();
}

} // namespace

TEST_CASE("the jail's command: who, where, what") {
    const auto process = jail_command(example());
    CHECK(process.program == "/usr/bin/bwrap");
    CHECK(process.uid_gid == std::pair(1000U, 1001U));
    CHECK(process.environment.empty());
    CHECK(process.new_session);
    CHECK(process.parent_death_signal == 0); // it outlives the helper
    CHECK(process.go_fd == 20);
    CHECK(process.stdin_fd == -1);
    CHECK(process.stdout_fd == 17);
    CHECK(process.stderr_fd == 17);
}

TEST_CASE("the jail's command: namespaces and rights") {
    const auto process = jail_command(example());
    for (const char* option : {"--unshare-user", "--disable-userns", "--unshare-net", "--unshare-ipc",
                               "--unshare-uts", "--unshare-cgroup-try", "--new-session", "--clearenv"})
        CHECK(has(process, {option}));
    CHECK(has(process, {"--cap-drop", "ALL"}));
    CHECK_FALSE(has(process, {"--unshare-pid"}));
    CHECK_FALSE(has(process, {"--proc"}));
    CHECK_FALSE(has(process, {"--die-with-parent"}));
}

TEST_CASE("the jail's command: files by descriptor, read-only unless they must not be") {
    const auto process = jail_command(example());
    CHECK(has(process, {"--ro-bind-fd", "10", "/banger-qemu"}));
    CHECK(has(process, {"--bind-fd", "11", "/run"}));
    CHECK(has(process, {"--ro-bind-fd", "12", "/kernel"}));
    CHECK(has(process, {"--ro-bind-fd", "13", "/initrd"}));
    CHECK(has(process, {"--ro-bind-fd", "14", "/drives/image"}));
    CHECK(has(process, {"--bind-fd", "15", "/drives/work"}));
    CHECK(has(process, {"--remount-ro", "/"}));
    const auto& words = process.arguments;
    // The only folder of the host that is bound by name is /usr.
    for (size_t i = 0; i < words.size(); ++i)
        if (words[i] == "--bind" || words[i] == "--ro-bind")
            CHECK(words[i + 1] == "/usr");
    std::vector<int> inherited = process.inherited;
    std::sort(inherited.begin(), inherited.end());
    CHECK(inherited == std::vector<int>{10, 11, 12, 13, 14, 15, 16, 18, 19});
}

TEST_CASE("the jail's command: the VMM") {
    auto spec = example();
    CHECK(has(jail_command(spec), {"--", "/banger-qemu", "--id", "abcdef012345", "--api-sock",
                                   "/run/api.sock", "--tap", "btap-0123456789=16"}));
    spec.null = true;
    spec.tap.clear();
    spec.kernel_fd = spec.initrd_fd = -1;
    spec.drives.clear();
    const auto process = jail_command(spec);
    CHECK(process.arguments.back() == "--null=ordinary");
    CHECK_FALSE(has(process, {"/kernel"}));
    CHECK_FALSE(has(process, {"--tap"}));
    CHECK(process.inherited.size() == 4);
    spec.null_mode = "never-ready";
    CHECK(jail_command(spec).arguments.back() == "--null=never-ready");
}

TEST_CASE("the sockets' path fits into a socket address") {
    const auto path =
        jail_run_path(jail_name(4294967294, VmId::parse(std::string(32, 'a')))) + "/vsock.sock_1025";
    CHECK(path.size() < 108); // unix(7)
}

TEST_CASE("a process is who it was, or nobody") {
    const auto self = identify(::getpid());
    CHECK(self.start != 0);
    CHECK(open_if_alive(self));
    CHECK(parent_of(::getpid()) == ::getppid());
    auto other = self;
    other.start += 1;
    CHECK_FALSE(open_if_alive(other));
    other = self;
    other.boot = "another";
    CHECK_FALSE(open_if_alive(other));
    CHECK_FALSE(open_if_alive({}));
    CHECK_FALSE(open_if_alive({1, 1, boot_id()}));
}

namespace {

/// A session whose leader has a child; both wait for ever unless `script` says otherwise after naming the
/// child.
struct Session {
    Child leader;
    ProcessId id;
    ProcessId member;
};

Session make_session(const std::string& then) {
    ProcessSpec spec;
    spec.program = "/bin/sh";
    spec.arguments = {"-c", "sleep 1000 & echo $!; " + then};
    spec.new_session = true;
    auto [read, write] = make_pipe();
    spec.stdout_fd = write.get();
    Session session{spawn(spec), {}, {}};
    write.reset();
    char text[16] = {};
    REQUIRE(::read(read.get(), text, sizeof text - 1) > 0);
    session.member = identify(std::atoi(text));
    session.id = identify(session.leader.pid);
    return session;
}

} // namespace

TEST_CASE("a zombie is not alive, and kill_session takes the children along") {
    const auto session = make_session("wait");
    CHECK(open_if_alive(session.id));
    const auto held = open_if_alive(session.member);
    REQUIRE(held);
    kill_session(session.id, ::getuid());
    CHECK(wait_readable(held.get(), 5000));
    CHECK(wait_readable(session.leader.pidfd.get(), 5000));
    CHECK_FALSE(open_if_alive(session.id)); // a zombie still
    CHECK(wait_child(session.leader) == 128 + SIGKILL);
    CHECK_NOTHROW(kill_session(session.id, ::getuid()));
}

TEST_CASE("kill_session finds who is left when the leader has ended before") {
    const auto session = make_session("exit 3");
    const auto held = open_if_alive(session.member);
    REQUIRE(held);
    SUBCASE("a zombie") {
        REQUIRE(wait_readable(session.leader.pidfd.get(), 5000));
    }
    SUBCASE("reaped") {
        REQUIRE(wait_child(session.leader, 5000) == 3);
    }
    kill_session(session.id, ::getuid() + 1); // another's processes are no affair of this jail
    CHECK_FALSE(wait_readable(held.get(), 0));
    auto other = session.id;
    other.boot = "an earlier one";
    kill_session(other, ::getuid());
    CHECK_FALSE(wait_readable(held.get(), 0));
    kill_session(session.id, ::getuid());
    CHECK(wait_readable(held.get(), 5000));
}
