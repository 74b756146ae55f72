#include "helper/disk_child.hpp"

#include "base/error.hpp"
#include "helper/process_id.hpp"

#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <csignal>
#include <vector>

namespace banger::helper {

namespace {

constexpr unsigned first_id = 0x70000000;
constexpr unsigned owners_below = 0x0FFE0000;
constexpr size_t most_entry = 64 << 10; ///< bytes of an entry of the user database

/// By getpwuid_r() or getgrgid_r(), which have the same numbers for "nobody has it" (their man page).
template <class Entry, class Get>
bool knows(Get get, unsigned id) {
    Entry entry{};
    Entry* found = nullptr;
    std::vector<char> buffer(most_entry);
    const int number = get(id, &entry, buffer.data(), buffer.size(), &found);
    if (number == 0 || number == ENOENT || number == ESRCH || number == EBADF || number == EPERM)
        return found != nullptr;
    if (number == ERANGE) // a large entry is one
        return true;
    throw errno_error("look for the account with the number " + std::to_string(id), number);
}

} // namespace

bool is_account(unsigned id) {
    return knows<passwd>(::getpwuid_r, id) || knows<group>(::getgrgid_r, id);
}

unsigned disk_child_id(unsigned owner, const std::function<bool(unsigned)>& known) {
    if (owner >= owners_below)
        throw Error(ErrorCode::FailedPrecondition,
                    "the uid " + std::to_string(owner) + " is too large for work on disks",
                    "give VMs an account with a uid below " + std::to_string(owners_below));
    const unsigned id = first_id + owner;
    if (known(id))
        throw Error(ErrorCode::FailedPrecondition,
                    "the number " + std::to_string(id) + ", of processes that work on disks, is an account's",
                    "banger needs the uids and gids from " + std::to_string(first_id) + " on for itself");
    return id;
}

std::shared_ptr<DiskChildren::OfOwner> DiskChildren::of(unsigned id) {
    const std::lock_guard lock(mutex_);
    auto& found = by_id_[id];
    if (!found)
        found = std::make_shared<OfOwner>();
    return found;
}

RunResult DiskChildren::run(ProcessSpec spec, unsigned id, RunLimits limits) {
    spec.uid_gid = {id, id};
    spec.no_new_privileges = true;
    spec.parent_death_signal = SIGKILL;
    const auto owner = of(id);
    // One that is starting has the uid before it is known.
    std::unique_lock lock(owner->mutex);
    int session = 0; // run() makes it the leader of one
    limits.started = [&](int pid) {
        session = pid;
        owner->sessions.insert(pid);
        lock.unlock();
    };
    const auto end = [&] {
        if (session == 0)
            return; // it did not start
        lock.lock();
        owner->sessions.extract(session);
        kill_all(
            [&] {
                return processes_where([&](int pid) {
                    return uid_of(pid) == static_cast<long>(id) && !owner->sessions.contains(session_of(pid));
                });
            },
            "that worked on a disk");
    };
    try {
        auto result = banger::run(std::move(spec), limits);
        end();
        return result;
    } catch (...) {
        if (!lock.owns_lock())
            end();
        throw;
    }
}

void DiskChildren::end_left() {
    kill_all(
        [] {
            return processes_where([](int pid) {
                const auto uid = uid_of(pid);
                return uid >= static_cast<long>(first_id) && uid < static_cast<long>(first_id + owners_below);
            });
        },
        "that worked on disks");
}

} // namespace banger::helper
