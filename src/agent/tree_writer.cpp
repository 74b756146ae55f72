#include "agent/tree.hpp"
#include "base/error.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace banger::agent {

namespace {

constexpr size_t cached_folders = 256;
constexpr size_t most_folder_bytes = size_t{256} << 20; ///< of the paths kept until the end

OwnedFd open_folder_beneath(int root, const std::string& path) {
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    return OwnedFd(static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
}

[[noreturn]] void throw_outside(const std::string& path) {
    throw Error(ErrorCode::FailedPrecondition, path + " lies behind a symlink or a file",
                "remove what stands in the way, or copy to where it points");
}

[[noreturn]] void throw_too_large() {
    throw Error(ErrorCode::FailedPrecondition, "the transfer is larger than allowed");
}

/// Of `name` in the folder `fd`, or of `fd` itself; from an Entry or from what is kept of one.
template <class Described>
void set_times(int fd, const char* name, const Described& entry) {
    if (entry.mtime_ns < 0)
        return;
    const timespec times[2] = {{0, UTIME_OMIT},
                               {entry.mtime_ns / 1'000'000'000, entry.mtime_ns % 1'000'000'000}};
    const bool itself = *name == '\0';
    if ((itself ? ::futimens(fd, times) : ::utimensat(fd, name, times, AT_SYMLINK_NOFOLLOW)) < 0)
        throw_errno("set the time of " + entry.path);
}

/// Before the mode: a change of owner takes set-uid bits away (chown(2)).
template <class Described>
void set_owner(int fd, const char* name, const Described& entry) {
    if (entry.uid < 0 && entry.gid < 0)
        return;
    if (::fchownat(fd, name, static_cast<uid_t>(entry.uid), static_cast<gid_t>(entry.gid),
                   AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
        throw_errno("give " + entry.path + " its owner");
}

/// Some filesystems tell only now that there was no room. (Linux closes it even where it says EINTR.)
void close_written(OwnedFd& file, const std::string& path) {
    if (::close(file.release()) < 0 && errno != EINTR)
        throw_errno("write " + path);
}

} // namespace

TreeWriter::TreeWriter(OwnedFd directory, TreeLimits limits)
    : root_(std::move(directory))
    , limits_(limits) {
    entry_.path.clear();
    if (::getrandom(&tag_, sizeof tag_, 0) != sizeof tag_)
        throw_errno("get a random number");
}

TreeWriter::~TreeWriter() {
    if (!temporary_.empty())
        ::unlinkat(folder_, temporary_.c_str(), 0);
}

OwnedFd TreeWriter::open_folder(const std::string& path) {
    if (auto fd = open_folder_beneath(root_.get(), path))
        return fd;
    if (errno == ELOOP || errno == ENOTDIR || errno == EXDEV)
        throw_outside(path);
    if (errno != ENOENT)
        throw_errno("open " + path);
    std::string name;
    const int parent = folder_of(path, name);
    if (::mkdirat(parent, name.c_str(), 0755) < 0 && errno != EEXIST)
        throw_errno("make directory " + path);
    auto fd = open_folder_beneath(root_.get(), path);
    if (!fd && (errno == ELOOP || errno == ENOTDIR))
        throw_outside(path);
    if (!fd)
        throw_errno("open " + path);
    return fd;
}

int TreeWriter::folder_of(const std::string& path, std::string& name) {
    const auto slash = path.rfind('/');
    name = slash == path.npos ? path : path.substr(slash + 1);
    if (slash == path.npos)
        return root_.get();
    const auto folder = path.substr(0, slash);
    if (const auto found = folders_.find(folder); found != folders_.end())
        return found->second.get();
    auto fd = open_folder(folder);
    if (folders_.size() >= cached_folders)
        folders_.clear();
    return folders_.emplace(folder, std::move(fd)).first->second.get();
}

void TreeWriter::begin(const Entry& entry) {
    check_entry_path(entry.path);
    bytes_ += std::min(entry.size, limits_.bytes + 1);
    if (++entries_ > limits_.entries || bytes_ > limits_.bytes)
        throw_too_large();
    entry_ = entry;
    entry_.mode &= limits_.mode_mask;
    if (!limits_.owner)
        entry_.uid = entry_.gid = -1;
    left_ = 0;
    switch (entry.type) {
    case EntryType::File:
        return make_file(entry_);
    case EntryType::Directory:
        return make_directory(entry_);
    case EntryType::Symlink:
        return make_symlink(entry_);
    case EntryType::HardLink:
        return make_hard_link(entry_);
    }
}

/// No other writer's, even in the same folder: the tag is random.
std::string TreeWriter::temporary_name() {
    return ".banger-" + std::to_string(tag_) + "-" + std::to_string(made_++) + "~";
}

void TreeWriter::put_in_place(int folder, const std::string& temporary, const std::string& name) {
    if (::renameat(folder, temporary.c_str(), folder, name.c_str()) == 0)
        return;
    const int error = errno;
    ::unlinkat(folder, temporary.c_str(), 0);
    throw errno_error("put " + entry_.path + " in place", error);
}

void TreeWriter::make_file(const Entry& entry) {
    const int folder = folder_of(entry.path, name_);
    struct stat status{};
    if (::fstatat(folder, name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode))
        throw Error(ErrorCode::FailedPrecondition, entry.path + " is a directory there and a file here");
    constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    auto temporary = temporary_name();
    file_.reset(::openat(folder, temporary.c_str(), flags, 0600));
    if (!file_)
        throw_errno("write " + entry.path);
    folder_ = folder;
    temporary_ = std::move(temporary);
    left_ = entry.size;
    has_holes_ = false;
}

void TreeWriter::keep_directory(const Entry& entry) {
    directory_bytes_ += entry.path.size();
    if (directory_bytes_ > most_folder_bytes)
        throw_too_large();
    directories_.push_back({entry.path, entry.mode, entry.mtime_ns, entry.uid, entry.gid});
}

void TreeWriter::make_directory(const Entry& entry) {
    bool stood = entry.path == ".";
    if (!stood) {
        std::string name;
        const int folder = folder_of(entry.path, name);
        stood = ::mkdirat(folder, name.c_str(), 0700) < 0;
        struct stat status{};
        if (stood && (errno != EEXIST || ::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0))
            throw_errno("make directory " + entry.path);
        if (stood && !S_ISDIR(status.st_mode))
            throw Error(ErrorCode::FailedPrecondition,
                        entry.path + " is to be a directory, and is something else there",
                        "remove what stands in the way, or copy to another place");
    }
    if (!stood || !limits_.keep_folders)
        keep_directory(entry);
}

void TreeWriter::make_symlink(const Entry& entry) {
    std::string name;
    const int folder = folder_of(entry.path, name);
    const auto temporary = temporary_name();
    if (::symlinkat(entry.target.c_str(), folder, temporary.c_str()) < 0)
        throw_errno("make symlink " + entry.path);
    try {
        set_owner(folder, temporary.c_str(), entry);
        set_times(folder, temporary.c_str(), entry);
    } catch (const Error&) {
        ::unlinkat(folder, temporary.c_str(), 0);
        throw;
    }
    put_in_place(folder, temporary, name);
}

void TreeWriter::make_hard_link(const Entry& entry) {
    check_entry_path(entry.target);
    std::string target;
    std::string name;
    // A descriptor of its own: asking for the second folder may empty the cache that the first one is in.
    const int held = folder_of(entry.target, target);
    const auto from = OwnedFd(::fcntl(held, F_DUPFD_CLOEXEC, 0));
    const int folder = folder_of(entry.path, name);
    struct stat status{};
    if (::fstatat(from.get(), target.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0)
        throw_errno("link " + entry.path + " to " + entry.target);
    // Not what stood here before: under a second name it would be read, and written into, as a part of the
    // copy.
    if (!placed_.contains({status.st_dev, status.st_ino}))
        throw Error(ErrorCode::InvalidArgument, entry.path + " is to be a link to no file of the transfer");
    const auto temporary = temporary_name();
    if (::linkat(from.get(), target.c_str(), folder, temporary.c_str(), 0) < 0)
        throw_errno("link " + entry.path + " to " + entry.target);
    put_in_place(folder, temporary, name);
    // rename(2) does nothing, and succeeds, where both names are links to the same file already.
    ::unlinkat(folder, temporary.c_str(), 0);
}

void TreeWriter::take(uint64_t bytes) {
    if (bytes > left_)
        throw Error(ErrorCode::InvalidArgument, "a transfer holds more data than its entry announced");
    left_ -= bytes;
}

void TreeWriter::data(std::string_view bytes) {
    take(bytes.size());
    write_all(file_.get(), bytes, entry_.path);
}

void TreeWriter::hole(uint64_t bytes) {
    take(bytes);
    if (::lseek(file_.get(), static_cast<off_t>(bytes), SEEK_CUR) < 0)
        throw_errno("write " + entry_.path);
    has_holes_ = true;
}

void TreeWriter::end() {
    if (left_ > 0)
        throw Error(ErrorCode::InvalidArgument, "a transfer holds less data than its entry announced");
    if (!file_)
        return;
    if (has_holes_ && ::ftruncate(file_.get(), static_cast<off_t>(entry_.size)) < 0)
        throw_errno("write " + entry_.path);
    set_owner(file_.get(), "", entry_);
    if (::fchmod(file_.get(), entry_.mode) < 0)
        throw_errno("set the mode of " + entry_.path);
    set_times(file_.get(), "", entry_);
    struct stat status{};
    if (::fstat(file_.get(), &status) < 0)
        throw_errno("look at " + entry_.path);
    close_written(file_, entry_.path);
    put_in_place(folder_, std::exchange(temporary_, {}), name_);
    placed_.insert({status.st_dev, status.st_ino});
}

void TreeWriter::finish() {
    folders_.clear();
    // Deepest last on the way in, so first on the way out: a mode without write permission cannot hinder its
    // children.
    for (auto made = directories_.rbegin(); made != directories_.rend(); ++made) {
        const auto fd = open_folder_beneath(root_.get(), made->path);
        if (!fd)
            throw_errno("open " + made->path);
        set_owner(fd.get(), "", *made);
        if (::fchmod(fd.get(), made->mode) < 0)
            throw_errno("set the mode of " + made->path);
        set_times(fd.get(), "", *made);
    }
    directories_.clear();
}

} // namespace banger::agent
