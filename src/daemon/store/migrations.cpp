#include "daemon/store/migrations.hpp"

#include "base/error.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <array>
#include <string>

namespace banger::daemon {

namespace {

// Step N brings version N to N+1. What has once been released stays as it is; changes are further steps.
constexpr std::array<const char*, 3> steps{
    R"sql(
CREATE TABLE vm (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    image       TEXT NOT NULL,
    kernel      TEXT NOT NULL,
    vcpus       INTEGER NOT NULL,
    memory_mib  INTEGER NOT NULL,
    disk_bytes  INTEGER NOT NULL,
    address     TEXT NOT NULL UNIQUE,
    vmm         TEXT NOT NULL,
    null_mode   TEXT NOT NULL,
    ephemeral   INTEGER NOT NULL,
    tied        INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    state       TEXT NOT NULL,
    exit_reason TEXT NOT NULL,
    started_at  INTEGER NOT NULL
) WITHOUT ROWID;
-- A name is free again as soon as its VM is being deleted.
CREATE UNIQUE INDEX vm_name ON vm (name) WHERE state <> 'deleting';
CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
)sql",
    "ALTER TABLE vm ADD COLUMN nat INTEGER NOT NULL DEFAULT 1;",
    R"sql(
ALTER TABLE vm ADD COLUMN exit_detail TEXT NOT NULL DEFAULT '';
ALTER TABLE vm ADD COLUMN last_active INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vm ADD COLUMN autostart INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vm ADD COLUMN is_protected INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vm ADD COLUMN auto_stop_after INTEGER NOT NULL DEFAULT 0;
UPDATE vm SET last_active = started_at;
UPDATE vm SET exit_reason = 'poweroff' WHERE exit_reason = 'guest-shutdown';
UPDATE vm SET exit_reason = 'crashed' WHERE exit_reason = 'vmm-died';
)sql",
};

} // namespace

void migrate(SQLite::Database& database) {
    const int version = database.execAndGet("PRAGMA user_version").getInt();
    const int wanted = static_cast<int>(steps.size());
    if (version > wanted)
        throw Error(ErrorCode::FailedPrecondition,
                    database.getFilename() + " was written by a later banger (version " +
                        std::to_string(version) + ", this one knows " + std::to_string(wanted) + ")",
                    "run that banger again, or move the file away");
    if (version == wanted)
        return;
    SQLite::Transaction transaction(database);
    for (int at = version; at < wanted; ++at)
        database.exec(steps[static_cast<size_t>(at)]);
    database.exec("PRAGMA user_version = " + std::to_string(wanted));
    transaction.commit();
}

} // namespace banger::daemon
