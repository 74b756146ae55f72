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

RunResult run_disk_child(ProcessSpec spec, unsigned id, RunLimits limits) {
    spec.uid_gid = {id, id};
    spec.no_new_privileges = true;
    spec.parent_death_signal = SIGKILL;
    ProcessId leader;
    limits.started = [&](int pid) { leader = identify(pid); };
    try {
        auto result = run(std::move(spec), limits);
        kill_session(leader, id);
        return result;
    } catch (...) {
        if (leader.pid > 0)
            kill_session(leader, id);
        throw;
    }
}

} // namespace banger::helper
