#include "jail/jailer.hpp"

#include "base/error.hpp"
#include "jail/descriptors.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace banger::jail {

namespace {

/// The jailer makes the jail at BASE/NAME/ID/root, NAME being the last part of --exec-file.
constexpr const char* base_name = "/firecracker";
/// No VM's id is that short.
constexpr const char* program_folder = "exec";
constexpr const char* program_path = "exec/firecracker";
/// For folders, nodes and pid file, beside the two copies of firecracker.
constexpr off_t room = 1 << 20;

void check_own_folder(int fd, const std::string& path) {
    struct stat status{};
    if (::fstat(fd, &status) < 0)
        throw_errno("stat " + path);
    if (status.st_uid != 0 || (status.st_mode & 022) != 0)
        throw Error(ErrorCode::FailedPrecondition, path + " is not root's alone");
}

void leave_the_hosts_mounts() {
    // What the host mounts and unmounts later still comes in here; nothing goes out.
    if (::unshare(CLONE_NEWNS) < 0 || ::mount(nullptr, "/", nullptr, MS_SLAVE | MS_REC, nullptr) < 0)
        throw_errno("make mounts of its own");
}

off_t size_of(int fd) {
    struct stat status{};
    if (::fstat(fd, &status) < 0)
        throw_errno("stat firecracker");
    return status.st_size;
}

/// The tmpfs, opened. Nobody but root can enter it: the jail in there becomes its owner's.
OwnedFd make_base(const std::string& folder, off_t program_size) {
    const auto jail = open_file(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    check_own_folder(jail.get(), folder);
    const auto base = folder + base_name;
    if (::mkdirat(jail.get(), base_name + 1, 0700) < 0)
        throw_errno("make " + base);
    const auto options = "mode=0700,nr_inodes=128,size=" + std::to_string(2 * program_size + room);
    if (::mount("banger", base.c_str(), "tmpfs", MS_NOSUID, options.c_str()) < 0)
        throw_errno("mount " + base);
    return open_file(base, O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

/// Not to be read: what is executed from a file that its owner cannot read, the owner's other processes can
/// neither trace nor look into (ptrace(2), PR_SET_DUMPABLE in prctl(2)). The jailer copies it with its mode.
void copy_program(int base, int program) {
    if (::mkdirat(base, program_folder, 0700) < 0)
        throw_errno("make the folder of firecracker's copy");
    const OwnedFd copy(::openat(base, program_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0100));
    if (!copy)
        throw_errno("copy firecracker");
    off_t at = 0;
    for (const auto size = size_of(program); at < size;)
        if (::sendfile(copy.get(), program, &at, static_cast<size_t>(size - at)) <= 0)
            throw_errno("copy firecracker");
}

/// BASE/ID/root, opened.
OwnedFd make_root(int base, const std::string& vm) {
    const auto root = vm + "/root";
    if (::mkdirat(base, vm.c_str(), 0700) < 0 || ::mkdirat(base, root.c_str(), 0700) < 0)
        throw_errno("make the jail's root");
    OwnedFd opened(::openat(base, root.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!opened)
        throw_errno("open the jail's root");
    // Its owner must get through, whatever the umask is.
    if (::mkdirat(opened.get(), "drives", 0) < 0 || ::fchmodat(opened.get(), "drives", 0755, 0) < 0)
        throw_errno("make the jail's folder of drives");
    return opened;
}

/// For as long as it lives, files are looked for with the owner's rights.
class AsOwner {
public:
    AsOwner(unsigned uid, unsigned gid) {
        ::setfsgid(gid);
        ::setfsuid(uid);
        // They tell no errors, but what is now.
        if (static_cast<unsigned>(::setfsuid(~0U)) != uid || static_cast<unsigned>(::setfsgid(~0U)) != gid)
            throw Error(ErrorCode::Internal, "cannot look for files as their owner");
    }
    ~AsOwner() {
        ::setfsuid(0);
        ::setfsgid(0);
    }
    AsOwner(const AsOwner&) = delete;
    AsOwner& operator=(const AsOwner&) = delete;
};

std::string path_of(int fd) {
    std::array<char, 4096> text{};
    const auto n = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), text.data(), text.size());
    if (n <= 0 || static_cast<size_t>(n) == text.size())
        throw_errno("tell where a file is");
    return {text.data(), static_cast<size_t>(n)};
}

/// The same file among the mounts of this process: the kernel binds no others, and the descriptor comes from
/// somebody else's (open_tree(2)).
OwnedFd found_again(int fd, const JailerPlan& plan) {
    const AsOwner owner(plan.uid, plan.gid);
    const auto path = path_of(fd);
    auto here = open_file(path, O_PATH | O_NOFOLLOW);
    struct stat given{};
    struct stat found{};
    if (::fstat(fd, &given) < 0 || ::fstat(here.get(), &found) < 0)
        throw_errno("stat " + path);
    if (given.st_dev != found.st_dev || given.st_ino != found.st_ino || given.st_mode != found.st_mode)
        throw Error(ErrorCode::FailedPrecondition, path + " is another file by now");
    return here;
}

void make_place(int root, const Bind& bind) {
    const auto* path = bind.path.c_str() + 1;
    if (bind.mode == BindMode::Folder) {
        if (::mkdirat(root, path, 0700) < 0)
            throw_errno("make " + bind.path + " in the jail");
        return;
    }
    const OwnedFd file(::openat(root, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0));
    if (!file)
        throw_errno("make " + bind.path + " in the jail");
}

void bind_file(int root, const Bind& bind, int fd, const JailerPlan& plan) {
    const auto here = found_again(fd, plan);
    const OwnedFd tree(::open_tree(here.get(), "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    if (!tree)
        throw_errno("take " + bind.path + " for the jail");
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV;
    if (bind.mode == BindMode::ReadOnly)
        attributes.attr_set |= MOUNT_ATTR_RDONLY;
    if (::mount_setattr(tree.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) < 0)
        throw_errno("restrict " + bind.path + " in the jail"); // since Linux 5.12
    make_place(root, bind);
    if (::move_mount(tree.get(), "", root, bind.path.c_str() + 1, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        throw_errno("bind " + bind.path + " in the jail");
}

[[noreturn]] void execute(const JailerPlan& plan, int jailer) {
    const auto null = moved_aside(open_file("/dev/null", O_RDONLY).get());
    place(null.get(), 0);
    place(jailer, first_number);
    close_from(first_number + 1);
    // --cgroup-version 1 without any --cgroup: the jailer leaves control groups alone, and the process stays
    // in its unit. With 2 it would move it into a group "firecracker", where there happens to be one.
    // --level: the guest's console is also where Firecracker's own words go.
    const std::vector<std::string> words{"jailer",
                                         "--id",
                                         plan.vm,
                                         "--exec-file",
                                         plan.folder + base_name + "/" + program_path,
                                         "--uid",
                                         std::to_string(plan.uid),
                                         "--gid",
                                         std::to_string(plan.gid),
                                         "--chroot-base-dir",
                                         plan.folder,
                                         "--cgroup-version",
                                         "1",
                                         "--",
                                         "--api-sock",
                                         "/run/api.sock",
                                         "--level",
                                         "Error"};
    std::vector<char*> arguments;
    for (const auto& word : words)
        arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    char* nothing[] = {nullptr};
    ::syscall(SYS_execveat, first_number, "", arguments.data(), nothing, AT_EMPTY_PATH);
    throw_errno("execute the jailer");
}

} // namespace

void become_jailer(const JailerPlan& plan, const std::vector<OwnedFd>& descriptors) {
    if (descriptors.size() != descriptors_before_binds + plan.binds.size())
        throw Error(ErrorCode::InvalidArgument, "plan of a jailer: not a descriptor for each file");
    const int jailer = descriptors[1].get();
    const int program = descriptors[2].get();
    leave_the_hosts_mounts();
    const auto base = make_base(plan.folder, size_of(program));
    copy_program(base.get(), program);
    const auto root = make_root(base.get(), plan.vm);
    for (size_t i = 0; i < plan.binds.size(); ++i)
        bind_file(root.get(), plan.binds[i], descriptors[descriptors_before_binds + i].get(), plan);
    execute(plan, jailer);
}

} // namespace banger::jail
