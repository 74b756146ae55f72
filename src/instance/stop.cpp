#include "base/error.hpp"
#include "base/file.hpp"
#include "base/pidfd.hpp"
#include "instance/lifecycle.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

namespace banger::instance {

namespace {

constexpr int graceful_ms = 10'000; ///< the supervisor gives its processes 5 s and its services 2 s
constexpr int kill_ms = 20'000;
constexpr int lock_ms = 30'000;

/// TERM, then KILL. PID 1 of a namespace has not ended before everything in the namespace has.
bool end_process(const ProcessId& id, const std::string& what) {
    const auto process = id.open();
    if (!process)
        return false;
    signal_pidfd(process->get(), SIGTERM);
    signal_pidfd(process->get(), SIGCONT);
    if (wait_readable(process->get(), graceful_ms))
        return true;
    signal_pidfd(process->get(), SIGKILL);
    if (!wait_readable(process->get(), kill_ms))
        throw Error(ErrorCode::Timeout,
                    what + " (pid " + std::to_string(id.pid) + ") does not end, even when killed",
                    "is one of its processes stopped, or waiting for a disk? see ps -eo pid,stat,wchan,args");
    return true;
}

bool end_processes_of(const Layout& layout) {
    const auto record = read_record(layout);
    if (!record)
        return false;
    const bool supervisor = end_process(record->supervisor, "the supervisor");
    // Ends by itself when the supervisor does; asked nevertheless, should it hang.
    const bool uplink = end_process(record->uplink, "slirp4netns");
    return supervisor || uplink;
}

void remove_state(const Layout& layout) {
    for (const auto& path : {layout.home(), layout.temporary(), layout.logs(), layout.state_lock()})
        remove_tree(path);
    ::rmdir(layout.state.c_str()); // only when nobody put something else there
}

} // namespace

bool clear_remains(const Layout& layout) {
    const bool ended = end_processes_of(layout);
    const bool there = ::access(layout.run.c_str(), F_OK) == 0;
    remove_tree(layout.run);
    return ended || there;
}

bool stop(const StopOptions& options) {
    require_root();
    auto layout = layout_of(options.name, options.state);
    auto lock = Lock::take(layout, 0);
    bool ended = false;
    if (!lock) { // somebody starts it, or hangs while doing so: a stop wins
        ended = end_processes_of(layout);
        lock = Lock::take(layout, lock_ms);
    }
    if (!lock)
        throw Error(ErrorCode::Busy,
                    "another command has been holding the instance \"" + layout.name + "\" for long",
                    "find it with: fuser " + layout.lock);
    if (const auto record = read_record(layout))
        layout = running_layout(layout, *record);
    ended = clear_remains(layout) || ended;
    remove_tree(layout.temporary());
    if (options.purge)
        remove_state(layout);
    lock->remove_file();
    return ended;
}

} // namespace banger::instance
