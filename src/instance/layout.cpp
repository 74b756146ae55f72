#include "instance/layout.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/names.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

namespace banger::instance {

namespace {

/// Opens the lock's file, made when missing. The folder may go away between the two steps, when the last
/// instance ends.
OwnedFd open_lock(const std::string& path) {
    for (int attempt = 0; attempt < 100; ++attempt) {
        make_directories(run_root, 0711);
        OwnedFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (fd)
            return fd;
        if (errno != ENOENT)
            throw_errno("open " + path);
    }
    throw Error(ErrorCode::Busy, std::string(run_root) + " keeps vanishing");
}

/// Whether `path` still names the file that `fd` has open: its holder may have removed it meanwhile.
bool is_current(int fd, const std::string& path) {
    struct stat held{};
    struct stat named{};
    return ::fstat(fd, &held) == 0 && ::lstat(path.c_str(), &named) == 0 && held.st_ino == named.st_ino &&
           held.st_dev == named.st_dev;
}

} // namespace

Layout layout_of(const std::string& name, const std::string& state) {
    const auto label = DnsLabel::parse(name, "instance name");
    Layout layout;
    layout.name = label.str();
    layout.run = std::string(run_root) + "/" + layout.name;
    layout.lock = layout.run + ".lock";
    const char* base = std::getenv("BANGER_INSTANCE_DIR");
    layout.state = !state.empty()  ? state
                   : base && *base ? std::string(base) + "/" + layout.name
                                   : "/var/lib/banger-instance/" + layout.name;
    layout.state = std::filesystem::absolute(layout.state).lexically_normal().string();
    while (layout.state.size() > 1 && layout.state.ends_with('/'))
        layout.state.pop_back();
    if (layout.state == "/")
        throw Error(ErrorCode::InvalidArgument, "an instance cannot keep its state in /",
                    "name a folder of its own with --state");
    return layout;
}

void require_root() {
    if (::geteuid() != 0)
        throw Error(
            ErrorCode::NotAuthorized,
            "a private instance needs root because it plays the whole machine: its own process, mount and "
            "network "
            "namespaces, its own buses, accounts and root helper",
            "run the command as root; for real use, without root: `banger system install --owner USER`");
}

std::optional<Lock> Lock::take(const Layout& layout, int timeout_ms) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    for (;;) {
        auto fd = open_lock(layout.lock);
        if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) {
            if (is_current(fd.get(), layout.lock))
                return Lock(std::move(fd), layout.lock);
            continue;
        }
        if (errno != EWOULDBLOCK && errno != EINTR)
            throw_errno("lock " + layout.lock);
        if (std::chrono::steady_clock::now() >= deadline)
            return std::nullopt;
        // flock(2) knows no time limit, so the lock is asked for again and again.
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

void Lock::remove_file() noexcept {
    ::unlink(path_.c_str());
    ::rmdir(run_root); // fails, as it should, while others have something there
}

} // namespace banger::instance
