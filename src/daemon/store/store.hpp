// What outlives the daemon: the VMs and their states, in SQLite. For the loop's thread only.
#pragma once

#include "base/fd.hpp"
#include "daemon/vm/vm.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace SQLite {
class Database;
}

namespace banger::daemon {

struct VmRow {
    VmConfig config;
    VmStatus status; ///< without what a running VM has
};

class Store {
public:
    /// Opens or makes `folder`/banger.db, and locks it against a second daemon (FailedPrecondition). One that
    /// SQLite cannot read is renamed to banger.db.corrupt-TIME and a new one begun; set_aside() then names
    /// it. One of a later banger is refused (FailedPrecondition).
    static Store open(const std::string& folder);
    Store(Store&&) noexcept;
    ~Store();

    /// Where the unreadable database was put, if it was.
    const std::string& set_aside() const noexcept { return set_aside_; }
    /// It was there already, and no damaged one lies beside it: what it does not know does not exist.
    bool is_authoritative() const noexcept { return authoritative_; }

    /// Every VM, oldest first.
    std::vector<VmRow> vms();
    /// Throws AlreadyExists when a VM that is not being deleted has the name.
    void insert(const VmRow& row);
    void update(const VmId& id, const VmStatus& status);
    /// Name and settings. Throws AlreadyExists as insert() does.
    void update(const VmConfig& vm);
    void remove(const VmId& id);

    std::optional<std::string> setting(const std::string& key);
    void set_setting(const std::string& key, const std::string& value);

private:
    Store(OwnedFd lock, std::unique_ptr<SQLite::Database> database);
    OwnedFd lock_;
    std::unique_ptr<SQLite::Database> database_;
    std::string set_aside_;
    bool authoritative_ = false;
};

} // namespace banger::daemon
