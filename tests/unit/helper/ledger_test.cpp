#include "base/error.hpp"
#include "base/file.hpp"
#include "helper/ledger.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

using namespace banger;
using namespace banger::helper;

namespace {

struct Folder {
    std::string path = [] {
        char name[] = "/tmp/banger-ledger-XXXXXX";
        return std::string(::mkdtemp(name));
    }();
    ~Folder() { std::filesystem::remove_all(path); }
    std::string ledger() const { return path + "/ledger"; }
    std::vector<std::string> files() const {
        std::vector<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(ledger()))
            names.push_back(entry.path().filename().string());
        std::sort(names.begin(), names.end());
        return names;
    }
};

VmRecord full_record() {
    VmRecord record{1000, VmId::parse("abcdef012345"), {}, {}, {}};
    record.tap = TapRecord{TapName::parse("btap-0123456789"), BridgeName::parse("br-fc-3e8"), Step::Made};
    record.tap->isolated = false;
    record.nat = NatRecord{Ipv4Address::parse("172.30.1.2"), true, Step::Making};
    record.snapshot = SnapshotRecord{{1, 18446744073709551615ULL}, {2, 3}, Step::Removing, 512};
    record.jail = Step::Making;
    record.vmm =
        VmmRecord{"qemu", VmmState::Running, {77, 1234567, "boot"}, ProcessId{78, 1234568, "boot"}, ""};
    return record;
}

BridgeRecord bridge_record(uint32_t uid, const char* name) {
    return {uid, BridgeName::parse(name), Ipv4Cidr::parse("172.30.1.1/24"), Step::Made};
}

} // namespace

TEST_CASE("records survive the file") {
    const auto record = full_record();
    CHECK(parse_vm_record(render(record)) == record);
    VmRecord small{0, VmId::parse("abcdef012345"), {}, Step::Removing, {}};
    CHECK(parse_vm_record(render(small)) == small);
    auto bridge = bridge_record(4294967294, "br-fc");
    CHECK(parse_bridge_record(render(bridge)) == bridge);
    bridge.resolver = ResolverRecord{Ipv4Address::parse("127.0.0.1"), 65535, Step::Removing};
    CHECK(parse_bridge_record(render(bridge)) == bridge);
    const ForwardingRecord forwarding{Step::Made};
    CHECK(parse_forwarding_record(render(forwarding)) == forwarding);
}

TEST_CASE("a tap of an earlier version is isolated") {
    const auto record = parse_vm_record(
        R"({"version":1,"uid":1000,"vm":"abcdef012345","tap":{"name":"btap-0123456789","bridge":"br-fc","step":"made"}})");
    REQUIRE(record.tap);
    CHECK(record.tap->isolated);
    CHECK_FALSE(record.nat);
}

TEST_CASE("what is no record is refused") {
    for (
        const char* text : {
            "",
            "{",
            "[]",
            "null",
            R"({"version":1})",
            R"({"version":2,"uid":1000,"vm":"abcdef012345"})",
            R"({"version":1,"uid":-1,"vm":"abcdef012345"})",
            R"({"version":1,"uid":4294967295,"vm":"abcdef012345"})",
            R"({"version":1,"uid":1000,"vm":"../../etc/passwd"})",
            R"({"version":1,"uid":1000,"vm":"abcdef012345","extra":1})",
            R"({"version":1,"uid":1000,"vm":"abcdef012345","jail":"maybe"})",
            R"({"version":1,"uid":1000,"vm":"abcdef012345","tap":{"name":"eth0","bridge":"br-fc","step":"made"}})",
            R"({"version":1,"uid":1000,"vm":"abcdef012345","tap":{"name":"btap-0123456789","bridge":"eth0","step":"made"}})",
            R"({"version":1,"uid":1000,"vm":"abcdef012345","nat":{"address":"172.30.1.2","on":1,"step":"made"}})",
            R"({"version":1,"uid":1000,"vm":"abcdef012345","nat":{"address":"172.30.1","on":true,"step":"made"}})",
            R"({"version":1,"uid":1000,"vm":"abcdef012345","nat":{"address":"172.30.1.2","on":true}})",
            R"({"version":1,"uid":1000,"vm":"abcdef012345","vmm":{"kind":"q","state":"running","unit":"","monitor":{"pid":1,"start":1,"boot":"b"}}})",
            R"({"version":1,"uid":1000,"vm":"abcdef012345","vmm":{"kind":"q","state":"running","unit":"","monitor":{"pid":99999999,"start":1,"boot":"b"}}})",
        }) {
        CAPTURE(text);
        CHECK_THROWS_AS(parse_vm_record(text), Error);
    }
    CHECK_THROWS_AS(parse_bridge_record(render(full_record())), Error);
    CHECK_THROWS_AS(
        parse_bridge_record(
            R"({"version":1,"uid":1,"bridge":"br-fc","address":"10.0.0.1/24","step":"made","resolver":{"server":"127.0.0.1","port":65536,"step":"made"}})"),
        Error);
    for (const char* text :
         {"", "{}", R"({"version":1})", R"({"version":1,"step":"half"})", R"({"version":2,"step":"made"})"})
        CHECK_THROWS_AS(parse_forwarding_record(text), Error);
    CHECK_THROWS_AS(parse_vm_record(render(bridge_record(1, "br-fc"))), Error);
}

TEST_CASE("the ledger keeps what was put, for the next one to read") {
    const Folder folder;
    {
        Ledger ledger(folder.ledger());
        ledger.put(full_record());
        ledger.put(bridge_record(1000, "br-fc-3e8"));
        ledger.put(bridge_record(1001, "br-fc-b"));
        ledger.put(ForwardingRecord{Step::Made});
    }
    CHECK(folder.files() == std::vector<std::string>{"1000-abcdef012345.json", "bridge-br-fc-3e8.json",
                                                     "bridge-br-fc-b.json", "forwarding.json"});
    Ledger ledger(folder.ledger());
    REQUIRE(ledger.vm(1000, VmId::parse("abcdef012345")));
    CHECK(*ledger.vm(1000, VmId::parse("abcdef012345")) == full_record());
    CHECK(ledger.vm(1001, VmId::parse("abcdef012345")) == nullptr);
    CHECK(ledger.bridge(BridgeName::parse("br-fc-b"))->uid == 1001);
    CHECK(ledger.count_vms_of(1000) == 1);
    CHECK(ledger.count_bridges_of(1000) == 1);
    CHECK(ledger.count_taps_on(BridgeName::parse("br-fc-3e8")) == 1);
    CHECK(ledger.count_taps_on(BridgeName::parse("br-fc-b")) == 0);
    CHECK(ledger.tap_holder(TapName::parse("btap-0123456789")));
    REQUIRE(ledger.address_holder(Ipv4Address::parse("172.30.1.2")));
    CHECK(ledger.address_holder(Ipv4Address::parse("172.30.1.2"))->uid == 1000);
    CHECK_FALSE(ledger.address_holder(Ipv4Address::parse("172.30.1.3")));
    REQUIRE(ledger.forwarding());
    CHECK(ledger.forwarding()->step == Step::Made);
    ledger.erase_forwarding();
    CHECK_FALSE(ledger.forwarding());
    ledger.erase(BridgeName::parse("br-fc-b"));
    auto record = full_record();
    record.tap.reset();
    record.jail.reset();
    record.vmm.reset();
    record.nat.reset();
    record.snapshot.reset();
    ledger.put(record);
    CHECK(folder.files() == std::vector<std::string>{"bridge-br-fc-3e8.json"});
    CHECK(ledger.vms_of(1000).empty());
}

TEST_CASE("the same id of two owners are two VMs") {
    const Folder folder;
    Ledger ledger(folder.ledger());
    auto mine = full_record();
    auto theirs = full_record();
    theirs.uid = 10001;
    ledger.put(mine);
    ledger.put(theirs);
    CHECK(ledger.vms_of(1000).size() == 1);
    CHECK(ledger.vms_of(10001).size() == 1);
    CHECK(ledger.vms_of(100).empty());
    mine.tap.reset();
    mine.jail.reset();
    mine.vmm.reset();
    mine.nat.reset();
    ledger.put(mine);
    CHECK(ledger.vms_of(10001).size() == 1);
}

TEST_CASE("a corrupt file is set aside, and the rest is read") {
    const Folder folder;
    {
        Ledger(folder.ledger()).put(full_record());
    }
    write_file_atomically(folder.ledger() + "/1000-bbbbbbbbbbbb.json", "{\"half");
    write_file_atomically(folder.ledger() + "/1000-cccccccccccc.json",
                          render(full_record())); // another VM's content
    write_file_atomically(folder.ledger() + "/bridge-br-fc.json", std::string(100000, 'x'));
    write_file_atomically(folder.ledger() + "/1000-dddddddddddd.json.new-0123", "{\"cut off");
    Ledger ledger(folder.ledger());
    CHECK(ledger.vms().size() == 1);
    CHECK(ledger.bridges().empty());
    const auto files = folder.files();
    CHECK(files.size() == 4);
    CHECK(std::count_if(files.begin(), files.end(),
                        [](const auto& name) { return name.starts_with("corrupt-"); }) == 3);
    CHECK_NOTHROW(Ledger(folder.ledger()).vms()); // and not again
    CHECK(folder.files().size() == 4);
}

TEST_CASE("the ledger's folder is private, and nobody else's") {
    const Folder folder;
    std::filesystem::create_directory(folder.ledger());
    ::chmod(folder.ledger().c_str(), 0755);
    const Ledger ledger(folder.ledger());
    struct stat status{};
    REQUIRE(::stat(folder.ledger().c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0700);
    std::filesystem::create_directory_symlink("/tmp", folder.path + "/link");
    CHECK_THROWS_AS(Ledger(folder.path + "/link"), Error);
    if (::geteuid() == 0) {
        REQUIRE(::chown(folder.ledger().c_str(), 12345, 12345) == 0);
        CHECK_THROWS_AS(Ledger{folder.ledger()}, Error);
    }
}
