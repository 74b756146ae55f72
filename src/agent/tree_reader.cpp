#include "agent/tree.hpp"
#include "base/error.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

namespace banger::agent {

namespace {

std::string last_part(std::string path) {
    while (path.size() > 1 && path.back() == '/')
        path.pop_back();
    const auto slash = path.rfind('/');
    return slash == path.npos ? path : path.substr(slash + 1);
}

std::string parent(const std::string& path) {
    const auto name = last_part(path);
    const auto end = path.rfind(name);
    const auto folder = path.substr(0, end);
    return folder.empty() ? "." : folder;
}

OwnedFd open_beneath(int root, const std::string& path, int flags) {
    open_how how{};
    how.flags = static_cast<unsigned>(flags | O_CLOEXEC | O_NOFOLLOW);
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    return OwnedFd(static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
}

bool is_directory(const std::string& path, bool follow) {
    struct stat status{};
    return ::fstatat(AT_FDCWD, path.c_str(), &status, follow ? 0 : AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(status.st_mode);
}

std::string real_path(const std::string& path) {
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
    if (!real)
        throw_errno("read " + path);
    return real.get();
}

} // namespace

TreeReader::TreeReader(const std::string& path, ReadOptions options)
    : options_(options)
    , walk_(true) {
    if (is_directory(path, options.root != RootLink::Keep)) {
        root_ = open_file(path, O_RDONLY | O_DIRECTORY);
        pending_.emplace_back(".");
        return;
    }
    struct stat status{};
    if (::lstat(path.c_str(), &status) < 0)
        throw_errno("read " + path);
    if (options.root == RootLink::Follow && S_ISLNK(status.st_mode)) {
        alias_ = last_part(path);
        const auto real = real_path(path);
        root_ = open_file(parent(real), O_RDONLY | O_DIRECTORY);
        pending_.push_back(last_part(real));
        return;
    }
    root_ = open_file(parent(path), O_RDONLY | O_DIRECTORY);
    pending_.push_back(last_part(path));
}

TreeReader::TreeReader(const std::string& path, std::vector<std::string> paths)
    : root_(open_file(path, O_RDONLY | O_DIRECTORY))
    , walk_(false)
    , pending_(std::move(paths)) {
    for (const auto& item : pending_)
        check_entry_path(item);
    std::reverse(pending_.begin(), pending_.end());
}

void TreeReader::push_children(const std::string& path) {
    auto fd = open_beneath(root_.get(), path, O_RDONLY | O_DIRECTORY);
    DIR* raw = fd ? ::fdopendir(fd.get()) : nullptr;
    if (!raw)
        throw_errno("open " + path);
    fd.release();
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(raw, ::closedir);
    const auto first = pending_.size();
    while (const dirent* entry = ::readdir(raw)) {
        const std::string name = entry->d_name;
        if (name != "." && name != "..")
            pending_.push_back(path == "." ? name : path + "/" + name);
    }
    // In order of names, so that two transfers of one tree are the same.
    std::sort(pending_.begin() + static_cast<std::ptrdiff_t>(first), pending_.end(), std::greater<>());
}

void TreeReader::describe_file(Entry& entry, const struct stat& status) {
    if (options_.hard_links && status.st_nlink > 1) {
        const auto [first, is_new] = linked_.emplace(std::pair(status.st_dev, status.st_ino), entry.path);
        if (!is_new) {
            entry.type = EntryType::HardLink;
            entry.target = first->second;
            return;
        }
    }
    file_ = open_beneath(root_.get(), entry.path, O_RDONLY | O_NONBLOCK);
    if (!file_)
        throw_errno("open " + entry.path);
    entry.size = static_cast<uint64_t>(status.st_size);
    left_ = entry.size;
    constexpr uint64_t block = 512; // what st_blocks counts, stat(2)
    sparse_ = options_.holes && static_cast<uint64_t>(status.st_blocks) * block < entry.size;
    data_left_ = 0;
}

std::optional<Entry> TreeReader::describe(const std::string& path) {
    Entry entry;
    entry.path = path;
    auto fd = open_beneath(root_.get(), path, O_PATH);
    struct stat status{};
    if (!fd || ::fstat(fd.get(), &status) < 0)
        throw_errno("read " + path);
    entry.mode = status.st_mode & 07777;
    entry.mtime_ns =
        std::max<int64_t>(-1, status.st_mtim.tv_sec * int64_t{1'000'000'000} + status.st_mtim.tv_nsec);
    entry.uid = status.st_uid;
    entry.gid = status.st_gid;
    if (S_ISREG(status.st_mode)) {
        describe_file(entry, status);
    } else if (S_ISDIR(status.st_mode)) {
        entry.type = EntryType::Directory;
    } else if (S_ISLNK(status.st_mode)) {
        entry.type = EntryType::Symlink;
        std::array<char, PATH_MAX> target{};
        const auto n = ::readlinkat(fd.get(), "", target.data(), target.size() - 1);
        if (n <= 0)
            throw_errno("read link " + path);
        entry.target.assign(target.data(), static_cast<size_t>(n));
    } else {
        skipped_++;
        return std::nullopt;
    }
    return entry;
}

std::optional<Entry> TreeReader::next() {
    file_.reset();
    left_ = 0;
    while (!pending_.empty()) {
        current_ = std::move(pending_.back());
        pending_.pop_back();
        auto entry = describe(current_);
        if (entry && entry->type == EntryType::Directory && walk_)
            push_children(current_);
        if (entry && !alias_.empty())
            entry->path = alias_;
        if (entry)
            return entry;
    }
    return std::nullopt;
}

void TreeReader::throw_shorter() const {
    throw Error(ErrorCode::FailedPrecondition, current_ + " became shorter while it was read",
                "try again when nothing writes to it");
}

uint64_t TreeReader::hole() {
    if (!sparse_ || left_ == 0 || data_left_ > 0)
        return 0;
    const auto at = ::lseek(file_.get(), 0, SEEK_CUR);
    auto data = ::lseek(file_.get(), at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) { // no data any more, or no file
        struct stat status{};
        if (::fstat(file_.get(), &status) < 0 || status.st_size < at + static_cast<off_t>(left_))
            throw_shorter();
        return std::exchange(left_, 0);
    }
    const auto end = data < 0 ? data : ::lseek(file_.get(), data, SEEK_HOLE);
    if (at < 0 || end < 0 || ::lseek(file_.get(), data, SEEK_SET) < 0)
        throw_errno("look for holes in " + current_);
    const auto size = std::min(static_cast<uint64_t>(data - at), left_);
    left_ -= size;
    data_left_ = static_cast<uint64_t>(end - data);
    return size;
}

size_t TreeReader::read(std::span<char> buffer) {
    const auto most = sparse_ ? std::min(left_, data_left_) : left_;
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(buffer.size(), most));
    if (wanted == 0)
        return 0;
    for (;;) {
        const auto n = ::read(file_.get(), buffer.data(), wanted);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            throw_errno("read " + current_);
        if (n == 0)
            throw_shorter();
        left_ -= static_cast<uint64_t>(n);
        data_left_ -= std::min(data_left_, static_cast<uint64_t>(n));
        return static_cast<size_t>(n);
    }
}

} // namespace banger::agent
