#include "helper/owners.hpp"

#include "base/error.hpp"
#include "base/log.hpp"

#include <sys/stat.h>

namespace banger::helper {

bool Owners::Stamp::operator==(const Stamp& other) const noexcept {
    // ctime rather than mtime: nobody can set it back.
    return device == other.device && inode == other.inode && size == other.size &&
           changed.tv_sec == other.changed.tv_sec && changed.tv_nsec == other.changed.tv_nsec;
}

Owners::Owners(std::string path)
    : path_(std::move(path)) {
    refresh();
}

std::optional<install::Owner> Owners::find(uint32_t uid) {
    refresh();
    const auto* owner = metadata_.owner(uid);
    return owner ? std::optional(*owner) : std::nullopt;
}

void Owners::refresh() {
    struct stat status{};
    if (::stat(path_.c_str(), &status) < 0) {
        if (seen_ || metadata_.version.empty())
            log::warning(path_ + " is not there: nobody is registered");
        seen_.reset();
        metadata_ = {};
        metadata_.version = "none";
        return;
    }
    const Stamp stamp{status.st_dev, status.st_ino, status.st_size, status.st_ctim};
    if (seen_ == stamp)
        return;
    seen_ = stamp;
    try {
        metadata_ = install::read_metadata(path_);
        log::debug("read " + path_ + ": " + std::to_string(metadata_.owners.size()) + " owner(s)");
    } catch (const Error& error) {
        metadata_ = {};
        log::error("nobody is registered: " + error.message());
    }
}

} // namespace banger::helper
