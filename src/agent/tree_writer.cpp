#include "agent/tree.hpp"
#include "base/error.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace banger::agent {

namespace {

constexpr size_t cached_folders = 256;

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

timespec time_of(const Entry& entry) {
    return {entry.mtime_ns / 1'000'000'000, entry.mtime_ns % 1'000'000'000};
}

void set_times(int fd, const Entry& entry) {
    if (entry.mtime_ns < 0)
        return;
    const timespec times[2] = {{0, UTIME_OMIT}, time_of(entry)};
    if (::futimens(fd, times) < 0)
        throw_errno("set the time of " + entry.path);
}

} // namespace

TreeWriter::TreeWriter(OwnedFd directory, TreeLimits limits)
    : root_(std::move(directory))
    , limits_(limits) {
    entry_.path.clear();
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
        throw Error(ErrorCode::FailedPrecondition, "the transfer is larger than allowed");
    entry_ = entry;
    entry_.mode &= limits_.mode_mask;
    left_ = 0;
    switch (entry.type) {
    case EntryType::File:
        return make_file(entry_);
    case EntryType::Directory:
        return make_directory(entry_);
    case EntryType::Symlink:
        return make_symlink(entry_);
    }
}

void TreeWriter::make_file(const Entry& entry) {
    std::string name;
    const int folder = folder_of(entry.path, name);
    constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    file_.reset(::openat(folder, name.c_str(), flags, 0600));
    // What is there is replaced, not written to: it may be a symlink, have other names, or be running.
    if (!file_ && errno == EEXIST && ::unlinkat(folder, name.c_str(), 0) == 0)
        file_.reset(::openat(folder, name.c_str(), flags, 0600));
    if (!file_ && errno == EISDIR)
        throw Error(ErrorCode::FailedPrecondition, entry.path + " is a directory there and a file here");
    if (!file_)
        throw_errno("write " + entry.path);
    left_ = entry.size;
}

void TreeWriter::make_directory(const Entry& entry) {
    directories_.push_back(entry);
    if (entry.path == ".")
        return;
    std::string name;
    const int folder = folder_of(entry.path, name);
    if (::mkdirat(folder, name.c_str(), 0700) == 0)
        return;
    struct stat status{};
    if (errno != EEXIST || ::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0)
        throw_errno("make directory " + entry.path);
    if (!S_ISDIR(status.st_mode) &&
        (::unlinkat(folder, name.c_str(), 0) < 0 || ::mkdirat(folder, name.c_str(), 0700) < 0))
        throw_errno("make directory " + entry.path);
}

void TreeWriter::make_symlink(const Entry& entry) {
    std::string name;
    const int folder = folder_of(entry.path, name);
    const auto try_it = [&] { return ::symlinkat(entry.target.c_str(), folder, name.c_str()) == 0; };
    if (try_it() || (errno == EEXIST && ::unlinkat(folder, name.c_str(), 0) == 0 && try_it()))
        return;
    if (errno == EISDIR)
        throw Error(ErrorCode::FailedPrecondition, entry.path + " is a directory there and a symlink here");
    throw_errno("make symlink " + entry.path);
}

void TreeWriter::data(std::string_view bytes) {
    if (bytes.size() > left_)
        throw Error(ErrorCode::InvalidArgument, "a transfer holds more data than its entry announced");
    left_ -= bytes.size();
    write_all(file_.get(), bytes, entry_.path);
}

void TreeWriter::end() {
    if (left_ > 0)
        throw Error(ErrorCode::InvalidArgument, "a transfer holds less data than its entry announced");
    if (!file_)
        return;
    if (::fchmod(file_.get(), entry_.mode) < 0)
        throw_errno("set the mode of " + entry_.path);
    set_times(file_.get(), entry_);
    file_.reset();
}

void TreeWriter::finish() {
    folders_.clear();
    // Deepest last on the way in, so first on the way out: a mode without write permission cannot hinder its
    // children.
    for (auto entry = directories_.rbegin(); entry != directories_.rend(); ++entry) {
        const auto fd = open_folder_beneath(root_.get(), entry->path);
        if (!fd || ::fchmod(fd.get(), entry->mode) < 0)
            throw_errno("set the mode of " + entry->path);
        set_times(fd.get(), *entry);
    }
    directories_.clear();
}

} // namespace banger::agent
