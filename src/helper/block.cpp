#include "helper/block.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/op_id.hpp"
#include "helper/jail.hpp"

#include <fcntl.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>

namespace banger::helper {

namespace {

constexpr int loop_tries = 64; ///< others take loop devices as well
constexpr const char* node_prefix = "node-";

Error no_loops(const std::string& what) {
    return errno_error(what, errno).code() == ErrorCode::NotFound || errno == ENXIO || errno == ENODEV
               ? Error(ErrorCode::Unavailable, "this host has no loop devices", "modprobe loop")
               : errno_error(what, errno);
}

std::string by_descriptor(int node) {
    return "/proc/self/fd/" + std::to_string(node);
}

/// Who has a descriptor of it opens nothing by it any more.
void take_back(int node, const std::string& path) noexcept {
    if (::fchownat(node, "", 0, 0, AT_EMPTY_PATH) < 0 || ::chmod(by_descriptor(node).c_str(), 0) < 0)
        log::error("the device node " + path +
                   " stays open to others: " + errno_error("take it back", errno).message());
    else
        ::unlink(path.c_str()); // what could not be taken back is tried again by the next helper
}

/// Nothing when somebody else was faster.
std::optional<LoopDevice> try_loop(int number, const loop_config& config) {
    const auto path = "/dev/loop" + std::to_string(number);
    const bool read_only = config.info.lo_flags & LO_FLAGS_READ_ONLY;
    LoopDevice loop{OwnedFd(::open(path.c_str(), (read_only ? O_RDONLY : O_RDWR) | O_NOFOLLOW | O_CLOEXEC)),
                    0};
    if (!loop.held)
        throw no_loops("open " + path);
    struct stat status{};
    if (::fstat(loop.held.get(), &status) < 0 || !S_ISBLK(status.st_mode) ||
        major(status.st_rdev) != LOOP_MAJOR)
        throw Error(ErrorCode::FailedPrecondition, path + " is no loop device");
    loop.device = status.st_rdev;
    if (::ioctl(loop.held.get(), LOOP_CONFIGURE, &config) == 0)
        return loop;
    if (errno == EBUSY)
        return std::nullopt;
    throw_errno("put a file behind " + path);
}

} // namespace

LoopDevice attach_loop(int file, uint64_t size, bool read_only) {
    const OwnedFd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
    if (!control)
        throw no_loops("open /dev/loop-control");
    loop_config config{};
    config.fd = static_cast<uint32_t>(file);
    config.block_size = 512;
    config.info.lo_sizelimit = size;
    config.info.lo_flags = static_cast<uint32_t>(LO_FLAGS_AUTOCLEAR) |
                           (read_only ? static_cast<uint32_t>(LO_FLAGS_READ_ONLY) : 0U);
    for (int tries = 0; tries < loop_tries; ++tries) {
        const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
        if (number < 0)
            throw no_loops("find a free loop device");
        if (auto loop = try_loop(number, config))
            return std::move(*loop);
    }
    throw Error(ErrorCode::Busy, "no loop device stays free", "try again in a moment");
}

DeviceNode::DeviceNode(dev_t device)
    // In the helper's own folder: /run takes no devices (mount(8), nodev).
    : path_(std::string(state_folder) + "/" + node_prefix + random_hex(8)) {
    if (::mknod(path_.c_str(), S_IFBLK | 0600, device) < 0)
        throw_errno("make a device node in " + std::string(state_folder));
    node_.reset(::open(path_.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    const int number = errno;
    if (!node_) {
        ::unlink(path_.c_str());
        throw errno_error("open the device node " + path_, number);
    }
}

DeviceNode::~DeviceNode() {
    take_back(node_.get(), path_);
}

void DeviceNode::give(unsigned id) const {
    if (::fchownat(node_.get(), "", id, id, AT_EMPTY_PATH) < 0)
        throw errno_error("give a device node to uid " + std::to_string(id), errno)
            .with_hint("a container must have it in its maps: /proc/self/uid_map, /proc/self/gid_map");
}

OwnedFd DeviceNode::open_exclusively(int flags) const {
    // O_EXCL without O_CREAT, of a block device: EBUSY while it is in use (open(2)).
    OwnedFd device(::open(by_descriptor(node_.get()).c_str(), flags | O_EXCL | O_CLOEXEC));
    if (device)
        return device;
    if (errno == EBUSY)
        throw Error(ErrorCode::Busy, "the device is in use", "try again when it is not");
    throw errno_error("open the device", errno)
        .with_hint("is " + std::string(state_folder) + " on a filesystem that takes device nodes?");
}

void take_back_left_nodes() {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(state_folder, ignored)) {
        if (!entry.path().filename().string().starts_with(node_prefix))
            continue;
        const auto path = entry.path().string();
        const OwnedFd node(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
        struct stat status{};
        if (!node || ::fstat(node.get(), &status) < 0 || !S_ISBLK(status.st_mode))
            continue;
        log::notice("removing the device node " + path + ", which was left");
        take_back(node.get(), path);
    }
}

} // namespace banger::helper
