#include "base/error.hpp"
#include "base/file.hpp"
#include "daemon/store/store.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

using namespace banger;
using namespace banger::daemon;

namespace {

struct Folder {
    std::string path;
    Folder() {
        char name[] = "/tmp/banger-store-XXXXXX";
        path = ::mkdtemp(name);
    }
    Folder(const Folder&) = delete;
    ~Folder() { remove_tree(path); }
};

VmRow row(const std::string& id, const std::string& name, const std::string& address,
          uint64_t created_at = 1) {
    return {{.id = VmId::parse(id),
             .name = DnsLabel::parse(name, "name"),
             .image = "bookworm",
             .kernel = "cloud",
             .vcpus = 3,
             .memory_mib = 768,
             .disk_bytes = uint64_t{5} << 40,
             .address = Ipv4Address::parse(address),
             .nat = id != "bbbbbbbbbbbb",
             .vmm = "null",
             .null_mode = "never-ready",
             .ephemeral = true,
             .tied = true,
             .created_at = created_at},
            {}};
}

VmStatus status(VmState state, Ending ending = {}, uint64_t started_at = 0, uint64_t last_active = 0) {
    VmStatus made;
    made.state = state;
    made.ending = std::move(ending);
    made.started_at = started_at;
    made.last_active = last_active;
    return made;
}

} // namespace

TEST_CASE("VMs come back as they were written, oldest first, whoever opens the store") {
    const Folder folder;
    {
        auto store = Store::open(folder.path);
        CHECK_FALSE(store.is_authoritative());
        store.insert(row("aaaaaaaaaaaa", "younger", "172.16.0.2", 20));
        store.insert(row("bbbbbbbbbbbb", "older", "172.16.0.3", 10));
        store.update(VmId::parse("aaaaaaaaaaaa"),
                     status(VmState::Running, {"killed", "signal TERM"}, 77, 78));
    }
    auto store = Store::open(folder.path);
    CHECK(store.is_authoritative());
    const auto rows = store.vms();
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].config.name.str() == "older");
    const auto& vm = rows[1].config;
    CHECK(vm.name.str() == "younger");
    CHECK(vm.image == "bookworm");
    CHECK(vm.kernel == "cloud");
    CHECK(vm.vcpus == 3);
    CHECK(vm.memory_mib == 768);
    CHECK(vm.disk_bytes == uint64_t{5} << 40);
    CHECK(vm.address.str() == "172.16.0.2");
    CHECK(vm.vmm == "null");
    CHECK(vm.null_mode == "never-ready");
    CHECK(vm.nat);
    CHECK_FALSE(rows[0].config.nat);
    CHECK(vm.ephemeral);
    CHECK(vm.tied);
    CHECK(rows[1].status.state == VmState::Running);
    CHECK(rows[1].status.ending.reason == "killed");
    CHECK(rows[1].status.ending.detail == "signal TERM");
    CHECK(rows[1].status.started_at == 77);
    CHECK(rows[1].status.last_active == 78);
}

TEST_CASE("name and settings are changed, but to no name that is taken") {
    const Folder folder;
    auto store = Store::open(folder.path);
    store.insert(row("aaaaaaaaaaaa", "younger", "172.16.0.2", 20));
    auto vm = row("bbbbbbbbbbbb", "older", "172.16.0.3", 10).config;
    store.insert({vm, {}});
    vm.name = DnsLabel::parse("renamed", "name");
    vm.autostart = vm.is_protected = true;
    vm.auto_stop_after = 3600;
    vm.vcpus = 5;
    store.update(vm);
    vm.name = DnsLabel::parse("younger", "name");
    CHECK_THROWS_AS(store.update(vm), Error);
    const auto rows = store.vms();
    CHECK(rows[0].config.name.str() == "renamed");
    CHECK(rows[0].config.autostart);
    CHECK(rows[0].config.is_protected);
    CHECK(rows[0].config.auto_stop_after == 3600);
    CHECK(rows[0].config.vcpus == 5);
    CHECK_FALSE(rows[1].config.autostart);
    CHECK_FALSE(rows[1].config.is_protected);
    CHECK(rows[1].config.auto_stop_after == 0);
}

TEST_CASE("a name is taken once, and free again while its VM is being deleted") {
    const Folder folder;
    auto store = Store::open(folder.path);
    store.insert(row("aaaaaaaaaaaa", "box", "172.16.0.2"));
    CHECK_THROWS_AS(store.insert(row("bbbbbbbbbbbb", "box", "172.16.0.3")), Error);
    store.update(VmId::parse("aaaaaaaaaaaa"), status(VmState::Deleting));
    store.insert(row("bbbbbbbbbbbb", "box", "172.16.0.3"));
    store.remove(VmId::parse("aaaaaaaaaaaa"));
    store.remove(VmId::parse("aaaaaaaaaaaa"));
    CHECK(store.vms().size() == 1);
}

TEST_CASE("a database of an earlier banger is brought up to date") {
    const Folder folder;
    {
        SQLite::Database old(folder.path + "/banger.db", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
        old.exec("CREATE TABLE vm (id TEXT PRIMARY KEY, name TEXT NOT NULL, image TEXT NOT NULL, kernel TEXT "
                 "NOT NULL, "
                 "vcpus INTEGER NOT NULL, memory_mib INTEGER NOT NULL, disk_bytes INTEGER NOT NULL, "
                 "address TEXT NOT NULL UNIQUE, vmm TEXT NOT NULL, null_mode TEXT NOT NULL, ephemeral "
                 "INTEGER NOT NULL, "
                 "tied INTEGER NOT NULL, created_at INTEGER NOT NULL, state TEXT NOT NULL, exit_reason TEXT "
                 "NOT NULL, "
                 "started_at INTEGER NOT NULL) WITHOUT ROWID;"
                 "CREATE UNIQUE INDEX vm_name ON vm (name) WHERE state <> 'deleting';"
                 "CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
                 "INSERT INTO vm VALUES ('aaaaaaaaaaaa', 'box', '', '', 2, 512, 1, '172.16.0.2', 'null', '', "
                 "0, 0, 5, "
                 "'stopped', 'vmm-died', 7);"
                 "PRAGMA user_version = 1");
    }
    const auto rows = Store::open(folder.path).vms();
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].config.nat);
    CHECK_FALSE(rows[0].config.is_protected);
    CHECK(rows[0].status.ending.reason == "crashed");
    CHECK(rows[0].status.last_active == 7);
}

TEST_CASE("settings are kept") {
    const Folder folder;
    auto store = Store::open(folder.path);
    CHECK_FALSE(store.setting("network"));
    store.set_setting("network", "172.16.0.1/22");
    store.set_setting("network", "172.16.4.1/22");
    CHECK(store.setting("network") == "172.16.4.1/22");
}

TEST_CASE("two daemons do not share a store") {
    const Folder folder;
    const auto first = Store::open(folder.path);
    try {
        Store::open(folder.path);
        FAIL("opened twice");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::FailedPrecondition);
        CHECK_FALSE(error.hint().empty());
    }
}

TEST_CASE("a damaged database is kept aside, and a new one begun") {
    const Folder folder;
    write_file_atomically(folder.path + "/banger.db", std::string(8192, 'x'));
    auto store = Store::open(folder.path);
    CHECK(store.set_aside().starts_with(folder.path + "/banger.db.corrupt-"));
    CHECK(read_file(store.set_aside()) == std::string(8192, 'x'));
    CHECK_FALSE(store.is_authoritative());
    CHECK(store.vms().empty());
    store.insert(row("aaaaaaaaaaaa", "box", "172.16.0.2"));
    {
        const auto closed = std::move(store);
    }
    CHECK_FALSE(Store::open(folder.path).is_authoritative());
}

TEST_CASE("a torn database is noticed at the opening") {
    const Folder folder;
    {
        auto store = Store::open(folder.path);
        for (int i = 0; i < 200; ++i)
            store.insert(row("aaaaaaaaa" + std::to_string(100 + i), "box" + std::to_string(i),
                             "172.16.1." + std::to_string(i)));
    }
    const auto path = folder.path + "/banger.db";
    auto bytes = read_file(path);
    for (size_t at = 4096; at + 64 < bytes.size(); at += 4096)
        bytes.replace(at, 64, 64, '\xff');
    write_file_atomically(path, bytes);
    auto store = Store::open(folder.path);
    CHECK_FALSE(store.set_aside().empty());
    CHECK(store.vms().empty());
}

TEST_CASE("a database of a later banger is refused, and left alone") {
    const Folder folder;
    {
        SQLite::Database later(folder.path + "/banger.db", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
        later.exec("PRAGMA user_version = 99");
    }
    try {
        Store::open(folder.path);
        FAIL("opened");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::FailedPrecondition);
    }
    CHECK(std::filesystem::exists(folder.path + "/banger.db"));
}
