#include "base/fd.hpp"
#include "helper/filesystems.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

using namespace banger;
using namespace banger::helper;

TEST_CASE("a filesystem is one of this host's when it is mounted here") {
    const std::string mounts =
        "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"
        "40 36 0:31 / / rw shared:1 - overlay 7:1 rw\n"
        "41 36 0:32 / - rw shared:1 master:2 - fuse.sshfs me@there: rw,user_id=1000\n"
        "42 36 0:33 / /plain rw - nfs4 there:/ rw\n"
        "43 36 0:34 / /cut rw -\n";
    CHECK(type_of_mount(makedev(98, 0), mounts) == "ext3");
    CHECK(type_of_mount(makedev(0, 31), mounts) == "overlay");
    CHECK(type_of_mount(makedev(0, 32), mounts) == "fuse.sshfs");
    CHECK(type_of_mount(makedev(0, 33), mounts) == "nfs4");
    for (const auto& other : {makedev(0, 3), makedev(0, 311), makedev(7, 1), makedev(36, 35), makedev(0, 34)})
        CHECK(type_of_mount(other, mounts).empty());
    CHECK(type_of_mount(makedev(0, 0), "").empty());
    CHECK(type_of_mount(makedev(98, 0), "36 35").empty());
}

TEST_CASE("files of the kernel's are on no disk") {
    const OwnedFd file(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC));
    CHECK_THROWS(check_answers(file.get(), "it"));
    CHECK_THROWS(check_holds_disks(file.get(), "it"));
}

TEST_CASE("files of this process's own filesystem are taken") {
    char name[] = "/tmp/banger-filesystem-XXXXXX";
    const OwnedFd file(::mkstemp(name));
    CHECK_NOTHROW(check_answers(file.get(), "it"));
    ::unlink(name);
}
