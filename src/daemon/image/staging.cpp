#include "daemon/image/staging.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/op_id.hpp"
#include "daemon/image/progress.hpp"
#include "daemon/image/scratch.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>

namespace banger {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view unfinished_prefix = ".new-";

/// Locks a fresh folder. Empty when a cleaner was faster and has removed it, or is about to.
OwnedFd lock_folder(const std::string& path) {
    OwnedFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder)
        return {};
    while (::flock(folder.get(), LOCK_EX) < 0)
        if (errno != EINTR)
            throw_errno("lock " + path);
    struct stat status{};
    if (::stat(path.c_str(), &status) < 0)
        return {};
    return folder;
}

/// Files first, then the folder itself, so that the name never stands for less than what was written
/// (rename(2) orders nothing by itself).
void sync_folder(const std::string& path) {
    for (const auto& entry : fs::directory_iterator(path))
        if (entry.is_regular_file() && !entry.is_symlink())
            if (::fsync(open_file(entry.path().string(), O_RDONLY).get()) < 0)
                throw_errno("write to disk " + entry.path().string());
    if (::fsync(open_file(path, O_RDONLY | O_DIRECTORY).get()) < 0)
        throw_errno("write to disk " + path);
}

bool clean_one(const std::string& path) {
    const OwnedFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder || ::flock(folder.get(), LOCK_EX | LOCK_NB) < 0)
        return false;
    remove_noted_scratch(path);
    remove_tree(path);
    return true;
}

} // namespace

void throw_if_stopped(const std::stop_token& stop) {
    if (stop.stop_requested())
        throw Error(ErrorCode::Cancelled, "cancelled");
}

Staging::Staging(std::string store, std::string path, OwnedFd lock)
    : store_(std::move(store))
    , path_(std::move(path))
    , lock_(std::move(lock)) {}

Staging::Staging(Staging&& other) noexcept
    : store_(std::move(other.store_))
    , path_(std::exchange(other.path_, {}))
    , lock_(std::move(other.lock_)) {}

Staging Staging::make(const std::string& store) {
    make_directories(store);
    for (;;) {
        const auto path = store + "/" + std::string(unfinished_prefix) + random_hex(8);
        if (::mkdir(path.c_str(), 0700) < 0)
            throw_errno("make directory " + path);
        if (auto lock = lock_folder(path))
            return {store, path, std::move(lock)};
    }
}

Staging::~Staging() {
    if (path_.empty())
        return;
    try {
        remove_tree(path_);
    } catch (const std::exception&) {
        // clean_unfinished() tries again at the next start.
    }
}

std::string Staging::publish(const StoreName& name, bool replace) {
    const auto target = store_ + "/" + name.str();
    sync_folder(path_);
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) < 0) {
        if (errno != EEXIST || !replace)
            throw_errno("name " + target);
        if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) < 0)
            throw_errno("replace " + target);
        remove_tree(path_);
    }
    path_.clear();
    lock_.reset();
    if (::fsync(open_file(store_, O_RDONLY | O_DIRECTORY).get()) < 0)
        throw_errno("write to disk " + store_);
    return target;
}

void refuse_existing(const std::string& store, const StoreName& name, std::string_view noun) {
    if (::access((store + "/" + name.str()).c_str(), F_OK) == 0)
        throw Error(ErrorCode::AlreadyExists, std::string(noun) + " " + name.str() + " is already there",
                    "choose another name, or delete the old one first");
}

std::vector<StoreName> names_in_store(const std::string& store) {
    std::vector<StoreName> names;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(store, none)) {
        if (!entry.is_directory(none) || entry.is_symlink(none))
            continue;
        try {
            names.push_back(StoreName::parse(entry.path().filename().string(), "name"));
        } catch (const Error&) {
            continue; // hidden, unfinished, or not ours
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

void delete_from_store(const std::string& store, const StoreName& name, std::string_view noun) {
    const auto path = store + "/" + name.str();
    const auto hidden = store + "/" + std::string(unfinished_prefix) + random_hex(8);
    if (::rename(path.c_str(), hidden.c_str()) < 0) {
        if (errno == ENOENT)
            throw Error(ErrorCode::NotFound, "no " + std::string(noun) + " is called " + name.str());
        throw_errno("delete " + path);
    }
    remove_tree(hidden);
}

std::vector<std::string> clean_unfinished(const std::string& data_dir) {
    std::vector<std::string> removed;
    for (const char* store : {"/images", "/kernels"}) {
        std::error_code none;
        for (const auto& entry : fs::directory_iterator(data_dir + store, none)) {
            const auto path = entry.path().string();
            if (!entry.path().filename().string().starts_with(unfinished_prefix))
                continue;
            try {
                if (clean_one(path))
                    removed.push_back(path);
            } catch (const Error&) {
                continue; // another cleaner is at it, or it cannot be removed now: it harms nobody
            }
        }
    }
    return removed;
}

std::string utc_now() {
    const auto now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text;
}

} // namespace banger
