#include "base/file.hpp"

#include "base/error.hpp"
#include "base/op_id.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>

namespace banger {

namespace {

constexpr std::string_view unfinished = ".new-";
constexpr size_t unfinished_digits = 8;

std::string parent_of(const std::string& path) {
    auto parent = std::filesystem::path(path).parent_path().string();
    return parent.empty() ? "." : parent;
}

void sync_folder(const std::string& path) {
    const auto folder = open_file(path, O_RDONLY | O_DIRECTORY);
    if (::fsync(folder.get()) < 0)
        throw_errno("fsync " + path);
}

std::string xdg_dir(const char* variable, std::string_view below_home) {
    if (const char* value = std::getenv(variable); value && value[0] == '/')
        return std::string(value) + "/banger";
    const char* home = std::getenv("HOME");
    if (below_home.empty() || !home || home[0] != '/')
        throw Error(ErrorCode::FailedPrecondition,
                    std::string("neither $") + variable + " nor $HOME is usable",
                    "run banger from a login session, or set the variable to an absolute path");
    return std::string(home) + "/" + std::string(below_home) + "/banger";
}

/// Removes what is below the directory `fd`, on device `device` only.
void remove_below(OwnedFd fd, dev_t device, const std::string& path) {
    DIR* raw = ::fdopendir(fd.get());
    if (!raw)
        throw_errno("open " + path);
    fd.release();
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(raw, ::closedir);
    while (const dirent* entry = ::readdir(folder.get())) {
        const std::string name = entry->d_name;
        if (name == "." || name == "..")
            continue;
        struct stat status{};
        if (::fstatat(::dirfd(raw), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        const bool is_folder = S_ISDIR(status.st_mode);
        if (is_folder && status.st_dev != device)
            throw Error(ErrorCode::FailedPrecondition, path + "/" + name + " is a mount point; not removed");
        if (is_folder) {
            OwnedFd below(
                ::openat(::dirfd(raw), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            if (!below)
                throw_errno("open " + path + "/" + name);
            remove_below(std::move(below), device, path + "/" + name);
        }
        if (::unlinkat(::dirfd(raw), entry->d_name, is_folder ? AT_REMOVEDIR : 0) < 0 && errno != ENOENT)
            throw_errno("remove " + path + "/" + name);
    }
}

} // namespace

std::string read_file(const std::string& path, size_t limit) {
    return read_all(open_file(path, O_RDONLY).get(), limit, path);
}

void write_file_atomically(const std::string& path, std::string_view content, unsigned mode, bool durable) {
    const auto temporary = path + std::string(unfinished) + random_hex(unfinished_digits / 2);
    try {
        const auto file = open_file(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
        write_all(file.get(), content, temporary);
        if (durable && ::fsync(file.get()) < 0)
            throw_errno("fsync " + temporary);
        if (::rename(temporary.c_str(), path.c_str()) < 0)
            throw_errno("rename " + temporary);
    } catch (...) {
        ::unlink(temporary.c_str());
        throw;
    }
    if (durable)
        sync_folder(parent_of(path));
}

bool is_unfinished(std::string_view file, std::string_view name) {
    if (!file.starts_with(name) || !file.substr(name.size()).starts_with(unfinished))
        return false;
    const auto digits = file.substr(name.size() + unfinished.size());
    return digits.size() == unfinished_digits && digits.find_first_not_of("0123456789abcdef") == digits.npos;
}

void make_directories(const std::string& path, unsigned mode) {
    if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST)
        return;
    if (errno != ENOENT)
        throw_errno("make directory " + path);
    make_directories(parent_of(path), mode);
    if (::mkdir(path.c_str(), mode) < 0 && errno != EEXIST)
        throw_errno("make directory " + path);
}

void ensure_private_directory(const std::string& path, unsigned owner) {
    if (::mkdir(path.c_str(), 0700) < 0 && errno != EEXIST)
        throw_errno("make directory " + path);
    const OwnedFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder)
        throw Error(ErrorCode::FailedPrecondition, path + " is not a directory of its own",
                    "remove it if it is not yours to keep, then try again");
    struct stat status{};
    if (::fstat(folder.get(), &status) < 0)
        throw_errno("stat " + path);
    if (status.st_uid != owner)
        throw Error(ErrorCode::FailedPrecondition,
                    path + " belongs to uid " + std::to_string(status.st_uid) + ", not to " +
                        std::to_string(owner),
                    "remove it if it is not yours to keep, then try again");
    if ((status.st_mode & 07777) != 0700 && ::fchmod(folder.get(), 0700) < 0)
        throw_errno("chmod " + path);
}

void remove_tree(const std::string& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) < 0) {
        if (errno == ENOENT)
            return;
        throw_errno("stat " + path);
    }
    if (S_ISDIR(status.st_mode))
        remove_below(open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), status.st_dev, path);
    if (::unlinkat(AT_FDCWD, path.c_str(), S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0) < 0 && errno != ENOENT)
        throw_errno("remove " + path);
}

void remove_contents(const std::string& path) {
    auto folder = open_file(path, O_RDONLY | O_DIRECTORY);
    struct stat status{};
    if (::fstat(folder.get(), &status) < 0)
        throw_errno("stat " + path);
    remove_below(std::move(folder), status.st_dev, path);
}

std::string xdg_data_dir() {
    return xdg_dir("XDG_DATA_HOME", ".local/share");
}
std::string xdg_state_dir() {
    return xdg_dir("XDG_STATE_HOME", ".local/state");
}
std::string xdg_cache_dir() {
    return xdg_dir("XDG_CACHE_HOME", ".cache");
}
std::string xdg_runtime_dir() {
    return xdg_dir("XDG_RUNTIME_DIR", "");
}

} // namespace banger
