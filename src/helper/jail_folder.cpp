#include "base/error.hpp"
#include "base/op_id.hpp"
#include "helper/jail.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <string_view>

namespace banger::helper {

namespace {

constexpr int deepest =
    32; ///< folders deeper than this are moved up, so that depth costs neither stack nor descriptors
constexpr std::chrono::seconds patience{10};

/// The mount that a folder is on (statx(2)); nothing where it cannot be told.
std::optional<uint64_t> mount_of(int folder) {
    struct statx status{};
    if (::statx(folder, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) < 0 || !(status.stx_mask & STATX_MNT_ID))
        return std::nullopt;
    return status.stx_mnt_id;
}

/// The folder `name` itself, below `parent`: a single name, no symlink, on the same mount. Not by openat2(2),
/// which the helper's unit takes away: RestrictSUIDSGID= has to (systemd.exec(5)), since a filter cannot look
/// into its argument. Empty, with errno: EXDEV for a mount point.
OwnedFd open_below(int parent, const char* name) {
    const std::string_view single(name);
    if (single.empty() || single == "." || single == ".." || single.find('/') != single.npos) {
        errno = EINVAL;
        return {};
    }
    OwnedFd folder(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder)
        return {};
    const auto mount = mount_of(folder.get());
    if (!mount || mount != mount_of(parent)) {
        errno = EXDEV;
        return {};
    }
    return folder;
}

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
    throw Error(ErrorCode::FailedPrecondition, path + " " + why, "an administrator should look at it");
}

/// A folder of root's in which nobody else can make anything. Made when it is not there.
OwnedFd open_root_folder(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) < 0 && errno != EEXIST)
        throw_errno("make directory " + path);
    OwnedFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat status{};
    if (!folder || ::fstat(folder.get(), &status) < 0)
        refuse(path, "is not a directory of its own");
    if (status.st_uid != ::geteuid() || (status.st_mode & 022) != 0)
        refuse(path, "is not root's alone to write");
    // Owners pass through to their own jails.
    if ((status.st_mode & 07777) != 0711 && ::fchmod(folder.get(), 0711) < 0)
        throw_errno("chmod " + path);
    return folder;
}

OwnedFd open_jails() {
    open_root_folder(state_folder);
    return open_root_folder(jails_folder);
}

using Clock = std::chrono::steady_clock;

/// Empties folders that someone else may be filling at the same time.
class Emptier {
public:
    Emptier(int top, std::string path)
        : top_(top)
        , path_(std::move(path)) {}

    /// One pass over the folder and what is below; the caller sees by rmdir whether it was enough.
    void pass(int folder, int depth) {
        OwnedFd own(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        const std::unique_ptr<DIR, int (*)(DIR*)> entries(own ? ::fdopendir(own.get()) : nullptr, ::closedir);
        if (!entries)
            throw_errno("open a folder in " + path_);
        own.release();
        while (const dirent* entry = ::readdir(entries.get())) {
            const std::string name = entry->d_name;
            if (name != "." && name != "..")
                remove_entry(folder, name.c_str(), depth);
            if (Clock::now() > deadline_)
                late();
        }
    }
    [[noreturn]] void late() const {
        throw Error(ErrorCode::Busy, path_ + " is being filled while it is removed",
                    "end what uses it, then try again");
    }
    bool expired() const { return Clock::now() > deadline_; }

private:
    void remove_entry(int folder, const char* name, int depth) {
        // unlink(2) never follows a symlink, and refuses a folder with EISDIR.
        if (::unlinkat(folder, name, 0) == 0 || errno == ENOENT)
            return;
        if (errno == EBUSY)
            refuse(path_, "holds a mount point");
        if (errno != EISDIR && errno != EPERM)
            throw_errno("remove a file in " + path_);
        if (depth >= deepest) {
            const auto moved = "moved-" + random_hex(8);
            if (::renameat2(folder, name, top_, moved.c_str(), RENAME_NOREPLACE) < 0 && errno != ENOENT)
                throw_errno("move a folder in " + path_);
            return;
        }
        if (const auto below = open_below(folder, name))
            pass(below.get(), depth + 1);
        else if (errno == EXDEV)
            refuse(path_, "holds a mount point");
        else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
            throw_errno("open a folder in " + path_);
        if (::unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT || errno == ENOTDIR ||
            errno == ENOTEMPTY)
            return; // what is left, or was put there meanwhile, is the next pass's
        if (errno == EBUSY)
            refuse(path_, "holds a mount point");
        throw_errno("remove a folder in " + path_);
    }

    int top_;
    std::string path_;
    Clock::time_point deadline_ = Clock::now() + patience;
};

} // namespace

OwnedFd make_jail_folder(const std::string& name, unsigned uid, unsigned gid) {
    const auto jails = open_jails();
    if (::mkdirat(jails.get(), name.c_str(), 0700) < 0)
        throw_errno("make jail " + name);
    const auto jail = open_below(jails.get(), name.c_str());
    if (!jail || ::fchmod(jail.get(), 0711) < 0 || ::mkdirat(jail.get(), "run", 0700) < 0)
        throw_errno("make jail " + name);
    const auto run = open_below(jail.get(), "run");
    if (!run || ::fchown(run.get(), uid, gid) < 0)
        throw_errno("make the run folder of jail " + name);
    OwnedFd path(::openat(run.get(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!path)
        throw_errno("open the run folder of jail " + name);
    return path;
}

void remove_jail_folder(const std::string& name) {
    const auto jails = open_jails();
    const auto path = std::string(jails_folder) + "/" + name;
    const auto jail = open_below(jails.get(), name.c_str());
    if (!jail) {
        if (errno == ENOENT)
            return;
        refuse(path, errno == EXDEV ? "is a mount point" : "is no directory, or a symlink");
    }
    // The owner loses the way in; what it holds open already, it may still fill for a while.
    if (::fchmod(jail.get(), 0700) < 0)
        throw_errno("close " + path);
    Emptier emptier(jail.get(), path);
    while (::unlinkat(jails.get(), name.c_str(), AT_REMOVEDIR) < 0) {
        if (errno == ENOENT)
            return;
        if (errno == EBUSY)
            refuse(path, "is a mount point");
        if (errno != ENOTEMPTY)
            throw_errno("remove " + path);
        if (emptier.expired())
            emptier.late();
        emptier.pass(jail.get(), 0);
    }
}

std::vector<std::string> jail_folders() {
    const auto jails = open_jails();
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(jails.duplicate().release()), ::closedir);
    if (!entries)
        throw_errno(std::string("open ") + jails_folder);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(entries.get()))
        if (entry->d_name[0] != '.')
            names.emplace_back(entry->d_name);
    return names;
}

} // namespace banger::helper
