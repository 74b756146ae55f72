#include "install/lock.hpp"

#include "base/error.hpp"
#include "base/file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

namespace banger::install {

SystemLock::SystemLock(const Tree& tree)
    : tree_(tree) {
    const auto place = tree_.at(configuration_folder);
    make_directories(place, 0755);
    folder_ = open_file(place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (::flock(folder_.get(), LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            throw_errno("lock " + place);
        throw Error(ErrorCode::Busy, "another `banger system` command is at work",
                    "try again when it has ended");
    }
}

SystemLock::~SystemLock() {
    ::rmdir(tree_.at(configuration_folder).c_str()); // fails, as it should, when something is in it
}

} // namespace banger::install
