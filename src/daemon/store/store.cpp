#include "daemon/store/store.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "daemon/store/migrations.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <SQLiteCpp/VariadicBind.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>

namespace banger::daemon {

namespace {

constexpr const char* columns =
    "id, name, image, kernel, vcpus, memory_mib, disk_bytes, address, vmm, null_mode, "
    "ephemeral, tied, created_at, state, exit_reason, started_at, nat, exit_detail, last_active, autostart, "
    "is_protected, auto_stop_after";

OwnedFd lock_folder(const std::string& folder) {
    auto lock = open_file(folder + "/lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) < 0)
        throw Error(ErrorCode::FailedPrecondition, "another banger daemon of this user uses " + folder,
                    "one daemon per user: end the other one, or use its session bus");
    return lock;
}

/// Opens and looks at every page's structure; throws SQLite::Exception when it is no whole database.
std::unique_ptr<SQLite::Database> open_database(const std::string& path) {
    auto database =
        std::make_unique<SQLite::Database>(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, 2000);
    database->exec("PRAGMA journal_mode = WAL");
    database->exec(
        "PRAGMA synchronous = NORMAL"); // WAL: a crash of the host may lose the last commits, never the whole
    database->exec("PRAGMA cache_size = -256");
    if (database->execAndGet("PRAGMA quick_check").getString() != "ok")
        throw SQLite::Exception("the check found damage", SQLITE_CORRUPT);
    migrate(*database);
    return database;
}

bool is_damage(const SQLite::Exception& error) {
    return error.getErrorCode() == SQLITE_CORRUPT || error.getErrorCode() == SQLITE_NOTADB;
}

Error store_error(const std::string& path, const SQLite::Exception& error) {
    return {ErrorCode::Internal, "cannot use " + path + ": " + error.what(),
            "is the disk full, or the folder not yours?"};
}

/// Renames the database and its two companions; returns the new name.
std::string put_aside(const std::string& path) {
    const auto aside = path + ".corrupt-" + std::to_string(std::time(nullptr));
    for (const char* suffix : {"", "-wal", "-shm"})
        if (::rename((path + suffix).c_str(), (aside + suffix).c_str()) < 0 && errno != ENOENT)
            throw_errno("rename " + path + suffix);
    return aside;
}

bool has_damaged_one(const std::string& folder) {
    for (const auto& file : std::filesystem::directory_iterator(folder))
        if (file.path().filename().string().starts_with("banger.db.corrupt-"))
            return true;
    return false;
}

VmRow row_of(SQLite::Statement& query) {
    const auto text = [&](int i) { return query.getColumn(i).getString(); };
    const auto number = [&](int i) { return static_cast<uint64_t>(query.getColumn(i).getInt64()); };
    VmConfig config{.id = VmId::parse(text(0)),
                    .name = DnsLabel::parse(text(1), "VM name"),
                    .image = text(2),
                    .kernel = text(3),
                    .vcpus = static_cast<uint32_t>(number(4)),
                    .memory_mib = static_cast<uint32_t>(number(5)),
                    .disk_bytes = number(6),
                    .address = Ipv4Address::parse(text(7)),
                    .nat = number(16) != 0,
                    .vmm = text(8),
                    .null_mode = text(9),
                    .ephemeral = number(10) != 0,
                    .tied = number(11) != 0,
                    .created_at = number(12),
                    .autostart = number(19) != 0,
                    .is_protected = number(20) != 0,
                    .auto_stop_after = static_cast<uint32_t>(number(21))};
    VmStatus status;
    status.state = vm_state_named(text(13));
    status.ending = {text(14), text(17)};
    status.started_at = number(15);
    status.last_active = number(18);
    return {std::move(config), std::move(status)};
}

/// Of a statement that gives a VM its name.
Error name_error(const SQLite::Database& database, const DnsLabel& name, const SQLite::Exception& error) {
    if (error.getErrorCode() == SQLITE_CONSTRAINT)
        return {ErrorCode::AlreadyExists, "there is a VM named " + name.str() + " already"};
    return store_error(database.getFilename(), error);
}

int64_t whole(uint64_t number) {
    return static_cast<int64_t>(number);
}

/// Runs `body`, with SQLite's exceptions as Errors.
template <class Body>
auto guarded(const SQLite::Database& database, Body&& body) -> decltype(body()) {
    try {
        return body();
    } catch (const SQLite::Exception& error) {
        throw store_error(database.getFilename(), error);
    }
}

} // namespace

Store::Store(OwnedFd lock, std::unique_ptr<SQLite::Database> database)
    : lock_(std::move(lock))
    , database_(std::move(database)) {}
Store::Store(Store&&) noexcept = default;
Store::~Store() = default;

Store Store::open(const std::string& folder) {
    make_directories(folder);
    auto lock = lock_folder(folder);
    const auto path = folder + "/banger.db";
    const bool existed = ::access(path.c_str(), F_OK) == 0;
    std::string aside;
    std::unique_ptr<SQLite::Database> database;
    try {
        database = open_database(path);
    } catch (const SQLite::Exception& error) {
        if (!is_damage(error))
            throw store_error(path, error);
    }
    if (!database) {
        aside = put_aside(path);
        try {
            database = open_database(path);
        } catch (const SQLite::Exception& error) {
            throw store_error(path, error);
        }
    }
    Store store(std::move(lock), std::move(database));
    store.set_aside_ = std::move(aside);
    store.authoritative_ = existed && !has_damaged_one(folder);
    return store;
}

std::vector<VmRow> Store::vms() {
    return guarded(*database_, [&] {
        std::vector<VmRow> rows;
        SQLite::Statement query(*database_,
                                std::string("SELECT ") + columns + " FROM vm ORDER BY created_at, id");
        while (query.executeStep())
            rows.push_back(row_of(query));
        return rows;
    });
}

void Store::insert(const VmRow& row) {
    SQLite::Statement insert(*database_, std::string("INSERT INTO vm (") + columns +
                                             ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    const auto& vm = row.config;
    const auto& status = row.status;
    try {
        SQLite::bind(insert, vm.id.str(), vm.name.str(), vm.image, vm.kernel, whole(vm.vcpus),
                     whole(vm.memory_mib), whole(vm.disk_bytes), vm.address.str(), vm.vmm, vm.null_mode,
                     int{vm.ephemeral}, int{vm.tied}, whole(vm.created_at),
                     std::string(vm_state_name(status.state)), status.ending.reason, whole(status.started_at),
                     int{vm.nat}, status.ending.detail, whole(status.last_active), int{vm.autostart},
                     int{vm.is_protected}, whole(vm.auto_stop_after));
        insert.exec();
    } catch (const SQLite::Exception& error) {
        throw name_error(*database_, vm.name, error);
    }
}

void Store::update(const VmId& id, const VmStatus& status) {
    guarded(*database_, [&] {
        SQLite::Statement update(*database_, "UPDATE vm SET state = ?, exit_reason = ?, exit_detail = ?, "
                                             "started_at = ?, last_active = ? WHERE id = ?");
        SQLite::bind(update, std::string(vm_state_name(status.state)), status.ending.reason,
                     status.ending.detail, whole(status.started_at), whole(status.last_active), id.str());
        update.exec();
    });
}

void Store::update(const VmConfig& vm) {
    try {
        SQLite::Statement update(*database_,
                                 "UPDATE vm SET name = ?, vcpus = ?, memory_mib = ?, disk_bytes = ?, "
                                 "nat = ?, autostart = ?, is_protected = ?, auto_stop_after = ? "
                                 "WHERE id = ?");
        SQLite::bind(update, vm.name.str(), whole(vm.vcpus), whole(vm.memory_mib), whole(vm.disk_bytes),
                     int{vm.nat}, int{vm.autostart}, int{vm.is_protected}, whole(vm.auto_stop_after),
                     vm.id.str());
        update.exec();
    } catch (const SQLite::Exception& error) {
        throw name_error(*database_, vm.name, error);
    }
}

void Store::remove(const VmId& id) {
    guarded(*database_, [&] {
        SQLite::Statement remove(*database_, "DELETE FROM vm WHERE id = ?");
        SQLite::bind(remove, id.str());
        remove.exec();
    });
}

std::optional<std::string> Store::setting(const std::string& key) {
    return guarded(*database_, [&]() -> std::optional<std::string> {
        SQLite::Statement query(*database_, "SELECT value FROM setting WHERE key = ?");
        SQLite::bind(query, key);
        if (!query.executeStep())
            return std::nullopt;
        return query.getColumn(0).getString();
    });
}

void Store::set_setting(const std::string& key, const std::string& value) {
    guarded(*database_, [&] {
        SQLite::Statement upsert(*database_, "INSERT INTO setting (key, value) VALUES (?, ?) "
                                             "ON CONFLICT (key) DO UPDATE SET value = excluded.value");
        SQLite::bind(upsert, key, value);
        upsert.exec();
    });
}

} // namespace banger::daemon
