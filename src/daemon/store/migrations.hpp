// The database's shape, version by version.
#pragma once

namespace SQLite {
class Database;
}

namespace banger::daemon {

/// Brings the database to this program's version (PRAGMA user_version), in one transaction. Throws
/// FailedPrecondition when it is of a later one.
void migrate(SQLite::Database& database);

} // namespace banger::daemon
