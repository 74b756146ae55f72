#include "install/lock.hpp"

#include "base/error.hpp"
#include "base/file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace banger::install {

namespace {

/// Whether the folder still lies there: who had the lock before removes it when it is empty.
bool is_at(int folder, const std::string& place) {
    struct stat held{};
    struct stat there{};
    return ::fstat(folder, &held) == 0 && ::lstat(place.c_str(), &there) == 0 &&
           held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}

} // namespace

SystemLock::SystemLock(const Tree& tree)
    : tree_(tree) {
    const auto place = tree_.at(configuration_folder);
    make_directories(place, 0755);
    folder_ = open_file(place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    const bool locked = ::flock(folder_.get(), LOCK_EX | LOCK_NB) == 0;
    if (!locked && errno != EWOULDBLOCK)
        throw_errno("lock " + place);
    if (!locked || !is_at(folder_.get(), place)) {
        throw Error(ErrorCode::Busy, "another `banger system` command is at work",
                    "try again when it has ended");
    }
}

SystemLock::~SystemLock() {
    ::rmdir(tree_.at(configuration_folder).c_str()); // fails, as it should, when something is in it
}

} // namespace banger::install
