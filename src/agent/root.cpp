#include "agent/root.hpp"

#include "agent/console.hpp"
#include "base/error.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace banger::agent {

namespace {

constexpr int device_limit_ms = 10000;
constexpr const char* new_root = "/newroot";
constexpr const char* image_folder = "/image";
constexpr const char* disk_folder = "/disk";
constexpr unsigned long safe = MS_NOSUID | MS_NODEV | MS_NOEXEC;

struct Mount {
    const char* source;
    const char* target;
    const char* type;
    unsigned long flags;
    const char* options;
    bool needed;
};

void mount_one(const Mount& mount) {
    ::mkdir(mount.target, 0755);
    if (::mount(mount.source, mount.target, mount.type, mount.flags, mount.options) == 0 || errno == EBUSY)
        return;
    if (mount.needed)
        throw_errno(std::string("mount ") + mount.target);
    say(std::string("mount ") + mount.target + ": " + std::strerror(errno));
}

void wait_for_device(const std::string& device, const DeviceEvents& events) {
    if (!events.wait([&] { return ::access(device.c_str(), F_OK) == 0; }, device_limit_ms))
        throw Error(ErrorCode::Unavailable, "no device " + device + " after " +
                                                std::to_string(device_limit_ms / 1000) +
                                                " seconds (is its driver in the initramfs?)");
}

/// Mounts a disk, ext4 first: all that banger makes is ext4.
void mount_disk(const std::string& device, const char* target, unsigned long flags) {
    constexpr std::array<const char*, 5> types{"ext4", "squashfs", "erofs", "xfs", "btrfs"};
    ::mkdir(target, 0755);
    int error_number = 0;
    for (const auto* type : types) {
        if (::mount(device.c_str(), target, type, flags, nullptr) == 0)
            return;
        // The first answer that is about the disk, and not about the type, is the telling one.
        if (error_number == 0 || error_number == EINVAL || error_number == ENODEV)
            error_number = errno;
    }
    throw errno_error("mount " + device, error_number);
}

void mount_overlay() {
    const auto disk = std::string(disk_folder);
    for (const auto* folder : {"/upper", "/work"})
        if (::mkdir((disk + folder).c_str(), 0755) < 0 && errno != EEXIST)
            throw_errno(std::string("make the overlay's folder ") + folder);
    const auto options =
        std::string("lowerdir=") + image_folder + ",upperdir=" + disk + "/upper,workdir=" + disk + "/work";
    if (::mount("overlay", new_root, "overlay", 0, options.c_str()) < 0)
        throw_errno("mount the overlay root");
}

/// Removes the initramfs's files below `folder`, keeping mount points and what is mounted there. Frees a few
/// MiB; failures cost nothing but that.
void empty_folder(int folder, dev_t device) {
    const std::unique_ptr<DIR, int (*)(DIR*)> list(::fdopendir(::dup(folder)), ::closedir);
    while (const dirent* entry = list ? ::readdir(list.get()) : nullptr) {
        const std::string_view name = entry->d_name;
        struct stat status{};
        if (name == "." || name == ".." ||
            ::fstatat(folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 || status.st_dev != device)
            continue;
        if (S_ISDIR(status.st_mode)) {
            const OwnedFd below(
                ::openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            if (below)
                empty_folder(below.get(), device);
        }
        ::unlinkat(folder, entry->d_name, S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0);
    }
}

void empty_initramfs(const OwnedFd& root) {
    struct statfs filesystem{};
    struct stat status{};
    const bool in_memory = ::fstatfs(root.get(), &filesystem) == 0 &&
                           (filesystem.f_type == RAMFS_MAGIC || filesystem.f_type == TMPFS_MAGIC);
    if (in_memory && ::fstat(root.get(), &status) == 0)
        empty_folder(root.get(), status.st_dev);
}

} // namespace

void mount_basics() {
    for (const auto& mount : {Mount{"proc", "/proc", "proc", safe, nullptr, true},
                              Mount{"sysfs", "/sys", "sysfs", safe, nullptr, true},
                              Mount{"devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=0755", true}})
        mount_one(mount);
}

void mount_rest() {
    for (const auto& mount :
         {Mount{"devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=666", false},
          Mount{"shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777", false},
          Mount{"run", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755", false},
          Mount{"cgroup2", "/sys/fs/cgroup", "cgroup2", safe, "nsdelegate", false}})
        mount_one(mount);
    // What udev would make; devtmpfs has no links.
    constexpr std::array<std::pair<const char*, const char*>, 4> links{{{"/proc/self/fd", "/dev/fd"},
                                                                        {"/proc/self/fd/0", "/dev/stdin"},
                                                                        {"/proc/self/fd/1", "/dev/stdout"},
                                                                        {"/proc/self/fd/2", "/dev/stderr"}}};
    for (const auto& [target, link] : links)
        if (::symlink(target, link) < 0 && errno != EEXIST)
            say(std::string(link) + ": " + std::strerror(errno));
}

void assemble_root(const BootConfig& config, const DeviceEvents& events) {
    if (config.root == RootKind::None)
        return;
    ::mkdir(new_root, 0755);
    wait_for_device(config.image, events);
    if (config.root == RootKind::Disk)
        return mount_disk(config.image, new_root, 0);
    mount_disk(config.image, image_folder, MS_RDONLY);
    wait_for_device(config.writable, events);
    mount_disk(config.writable, disk_folder, MS_NOATIME);
    mount_overlay();
}

OwnedFd switch_root() {
    auto old_root = open_file("/", O_RDONLY | O_DIRECTORY);
    for (const auto* folder : {"/dev", "/proc", "/sys", "/run"}) {
        const auto target = std::string(new_root) + folder;
        ::mkdir(target.c_str(), 0755);
        if (::mount(folder, target.c_str(), nullptr, MS_MOVE, nullptr) < 0)
            throw_errno("move " + std::string(folder) + " into the root");
    }
    if (::chdir(new_root) < 0 || ::mount(".", "/", nullptr, MS_MOVE, nullptr) < 0 || ::chroot(".") < 0 ||
        ::chdir("/") < 0)
        throw_errno("change into the root");
    empty_initramfs(old_root);
    for (const auto& [folder, mode] : {std::pair{"/tmp", 01777}, std::pair{"/root", 0700}})
        if (::mkdir(folder, 0700) == 0)
            ::chmod(folder, static_cast<mode_t>(mode));
    return old_root;
}

void settle_disks(const OwnedFd& old_root, const BootConfig& config) noexcept {
    ::sync();
    if (config.root == RootKind::None)
        return;
    ::mount(nullptr, "/", nullptr, MS_REMOUNT | MS_RDONLY, nullptr);
    // The writable disk is mounted beneath the old root, where no path leads: go there first.
    if (config.root == RootKind::Overlay && old_root && ::fchdir(old_root.get()) == 0 && ::chroot(".") == 0)
        ::mount(nullptr, disk_folder, nullptr, MS_REMOUNT | MS_RDONLY, nullptr);
}

} // namespace banger::agent
