#include "install/tree.hpp"

#include "base/error.hpp"
#include "base/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <vector>

namespace banger::install {

namespace {

/// Programs are the largest that is looked at; a debug build's module has tens of MiB.
constexpr size_t file_limit = 512 << 20;

void sync_folder(const std::string& path) {
    const auto folder = open_file(path, O_RDONLY | O_DIRECTORY);
    if (::fsync(folder.get()) < 0)
        throw_errno("fsync " + path);
}

} // namespace

Tree::Tree(std::string root)
    : root_(std::move(root)) {
    while (root_.ends_with('/'))
        root_.pop_back();
    if (!root_.empty() && !root_.starts_with('/'))
        throw Error(ErrorCode::InvalidArgument, "--root " + root_ + " is not an absolute path");
}

std::optional<FileState> Tree::look(const std::string& path) const {
    const auto place = at(path);
    struct stat status{};
    if (::lstat(place.c_str(), &status) < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return std::nullopt;
        throw_errno("stat " + place);
    }
    FileState state;
    state.mode = status.st_mode & 07777;
    state.uid = status.st_uid;
    state.regular = S_ISREG(status.st_mode);
    if (state.regular) {
        const auto file = open_file(place, O_RDONLY | O_NOFOLLOW);
        state.content = read_all(file.get(), file_limit, place);
    }
    return state;
}

void Tree::write(const std::string& path, std::string_view content, unsigned mode) const {
    const auto place = at(path);
    make_directories(std::filesystem::path(place).parent_path().string(), 0755);
    write_file_atomically(place, content, mode, true);
}

void Tree::remove(const std::string& path) const {
    const auto place = at(path);
    if (::unlink(place.c_str()) < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return;
        throw_errno("remove " + place);
    }
    sync_folder(std::filesystem::path(place).parent_path().string());
}

void Tree::remove_unfinished(const std::string& path) const {
    const std::filesystem::path place(at(path));
    std::vector<std::string> found;
    std::error_code ignored; // of a folder that is not there
    for (const auto& entry : std::filesystem::directory_iterator(place.parent_path(), ignored))
        if (is_unfinished(entry.path().filename().string(), place.filename().string()))
            found.push_back(entry.path().string());
    for (const auto& file : found)
        if (::unlink(file.c_str()) < 0 && errno != ENOENT)
            throw_errno("remove " + file);
}

void Tree::remove_folder(const std::string& path) const {
    const auto place = at(path);
    if (::rmdir(place.c_str()) < 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST)
        throw_errno("remove " + place);
}

} // namespace banger::install
