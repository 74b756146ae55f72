// The parts of a private instance that are values; the rest is tests/bus.
#include "base/error.hpp"
#include "instance/accounts.hpp"
#include "instance/channel.hpp"
#include "instance/exec.hpp"
#include "instance/record.hpp"
#include "instance/services.hpp"
#include "instance/status.hpp"
#include "instance/uplink.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

using namespace banger;
using namespace banger::instance;

namespace {

bool has(const std::string& text, const std::string& what) {
    return text.find(what) != text.npos;
}

bool has(const std::vector<std::string>& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

} // namespace

TEST_CASE("layout: names and folders") {
    ::setenv("BANGER_INSTANCE_DIR", "/srv/x/../y/", 1);
    CHECK(layout_of("a-1").state == "/srv/y/a-1");
    ::unsetenv("BANGER_INSTANCE_DIR");
    CHECK(layout_of("a").state == "/var/lib/banger-instance/a");
    CHECK(layout_of("a", "/b/c/").state == "/b/c");
    CHECK(layout_of("a").session_socket() == "/run/banger-instance/a/session/bus");
    CHECK(layout_of(std::string(63, 'a')).session_socket().size() < 108);
    for (const char* bad : {"", "A", "a/b", "..", "-a", "a b"})
        CHECK_THROWS_AS(layout_of(bad), Error);
    CHECK_THROWS_AS(layout_of("a", "/"), Error);
    CHECK_THROWS_AS(layout_of("a", "/x/.."), Error);
}

TEST_CASE("account files: ours in, what collides out, no passwords") {
    const std::string host =
        "root:x:0:0:root:/root:/bin/bash\nbanger-owner:x:5:5::/:/bin/sh\nx:x:64003:7::/:/bin/sh\n"
        "last:x:9:9::/:/bin/sh";
    const auto passwd = passwd_text(host);
    CHECK(has(passwd, "root:x:0:0:root:/root:/bin/bash\n"));
    CHECK(has(passwd, "last:x:9:9::/:/bin/sh\n"));
    CHECK_FALSE(has(passwd, ":5:5:"));
    CHECK_FALSE(has(passwd, ":64003:7:"));
    CHECK(has(passwd, "banger-stranger:x:64003:64003::/home/banger-stranger:/bin/sh\n"));
    CHECK(has(group_text("root:x:0:\n"), "root:x:0:\nbanger-owner:x:64001:\n"));
    CHECK(has(shadow_text(passwd), "root:*:19000"));
    CHECK_FALSE(has(shadow_text(passwd), ":x:"));
    CHECK(has(subid_text(), "banger-owner:1900000000:65536\n"));
    CHECK_FALSE(has(subid_text(), "stranger"));
}

TEST_CASE("exec's environment") {
    const auto merged = merged_environment({"HOME=/root", "FOO=1", "XDG_DATA_HOME=/x",
                                            "DBUS_STARTER_ADDRESS=y", "TMPDIR=/z", "SUDO_UID=3", "HOMER=2"},
                                           {"HOME=/home/o", "PATH=/b"});
    CHECK(merged == std::vector<std::string>{"HOME=/home/o", "PATH=/b", "FOO=1", "HOMER=2"});
    const auto layout = layout_of("n");
    CHECK(has(user_environment(layout, user_of(owner_account), "/b"), "XDG_RUNTIME_DIR=/run/user/64001"));
    CHECK(has(user_environment(layout, user_of(owner_account), "/b"), "BANGER_INSTANCE=n"));
    CHECK(has(user_environment(layout, {"root", 0, 0, "/root", {}}, "/b"), "HOME=/root"));
}

TEST_CASE("env quotes for a shell") {
    Status status;
    status.layout = layout_of("n");
    status.record.bindir = "/it's/$x";
    CHECK(has(shell_environment(status), "export PATH='/it'\\''s/$x':\"$PATH\"\n"));
    CHECK(has(shell_environment(status), "export BANGER_INSTANCE='n'\n"));
}

TEST_CASE("bus configurations") {
    const auto system = system_bus_configuration(layout_of("n"));
    CHECK(has(system, "<type>system</type>"));
    CHECK(has(system, "<deny user=\"*\"/>"));
    CHECK(has(system, "<include>/run/banger-instance/n/conf/org.banger.Helper1.conf</include>"));
    CHECK_FALSE(has(system, "servicehelper"));
    const auto session = session_bus_configuration(layout_of("n"));
    CHECK(has(session, "<allow user=\"banger-owner\"/>"));
    CHECK_FALSE(has(session, "banger-other"));
}

TEST_CASE("network words") {
    CHECK(parse_network("auto") == Network::Auto);
    CHECK(parse_network("none") == Network::None);
    CHECK_FALSE(wants_uplink(Network::None));
    CHECK_THROWS_AS(parse_network("host"), Error);
}

TEST_CASE("errors cross the channel") {
    auto [ours, theirs] = Channel::make_pair();
    theirs.send("hello");
    CHECK(ours.receive(1000) == "hello");
    theirs.send_error(Error(ErrorCode::Unavailable, "no polkitd", "install it").at_step("start polkitd"));
    try {
        ours.receive(1000);
        FAIL("no error");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::Unavailable);
        CHECK(error.message() == "no polkitd");
        CHECK(error.hint() == "install it");
        CHECK(error.step() == "start polkitd");
    }
    CHECK_THROWS_AS(ours.receive(10), Error);
    theirs.close();
    CHECK_FALSE(ours.receive_failure());
    CHECK_THROWS_AS(ours.send("x"), Error);
}

TEST_CASE("records: read back, and never trusted to be whole") {
    char name[] = "/tmp/banger-record-XXXXXX";
    auto layout = layout_of("n");
    layout.run = ::mkdtemp(name);
    CHECK_FALSE(read_record(layout));
    CHECK(read_services(layout).empty());
    Record record;
    record.supervisor = ProcessId::of(::getpid());
    record.state = "/s";
    record.complete = true;
    write_record(layout, record);
    const auto again = read_record(layout);
    REQUIRE(again);
    CHECK(again->supervisor.open());
    CHECK(again->state == "/s");
    CHECK(inspect(layout).state == State::Running);
    write_services(layout, {{"polkitd", 5, ServiceState::Died, 2, "killed by signal 9"}});
    CHECK(read_services(layout).at(0).restarts == 2);
    const auto status = inspect(layout);
    CHECK(status.state == State::Degraded);
    CHECK(has(status_text(status), "polkitd died: killed by signal 9"));
    CHECK(nlohmann::json::parse(status_json(status)).at("services").at("polkitd").at("state") == "died");
    record.supervisor.start_time += 1; // the pid went to somebody else
    write_record(layout, record);
    CHECK(inspect(layout).state == State::Stopped);
    CHECK_FALSE(ProcessId{-1, 0}.open());
    for (const char* bad : {"", "{", "[]", "{\"supervisor\":3}"}) {
        std::filesystem::remove(layout.record());
        const auto file = open_file(layout.record(), O_WRONLY | O_CREAT, 0600);
        write_all(file.get(), std::string_view(bad), "record");
        CHECK_FALSE(read_record(layout));
    }
    std::filesystem::remove_all(layout.run);
}
