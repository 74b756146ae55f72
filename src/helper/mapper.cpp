#include "helper/mapper.hpp"

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/log.hpp"

#include <fcntl.h>
#include <libdevmapper.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <memory>
#include <sstream>
#include <string_view>
#include <thread>

namespace banger::helper {

namespace {

constexpr const char* control = "/dev/mapper/control";
constexpr std::string_view uuid_prefix = "BANGER-";
constexpr std::string_view name_prefix = "banger-";
constexpr std::chrono::seconds patience{5};
constexpr std::chrono::milliseconds look_again{50};

std::string uuid_of(const std::string& name) {
    return std::string(uuid_prefix) + name;
}

/// What libdevmapper says is for developers: it is told again in an Error.
__attribute__((format(printf, 5, 6))) void hear(int, const char*, int, int, const char* format, ...) {
    std::array<char, 512> text{};
    va_list arguments;
    va_start(arguments, format);
    const int n = std::vsnprintf(text.data(), text.size(), format, arguments);
    va_end(arguments);
    if (n > 0)
        log::debug("libdevmapper: " + std::string(text.data()));
}

/// One request to the kernel.
class Task {
public:
    explicit Task(int type)
        : task_(::dm_task_create(type), ::dm_task_destroy) {
        if (!task_)
            throw Error(ErrorCode::Internal, "libdevmapper has no memory");
    }
    void want(int success) const {
        if (!success)
            throw Error(ErrorCode::Internal, "libdevmapper refuses an argument");
    }
    /// errno's number, or 0.
    int run() const {
        if (::dm_task_run(task_.get()))
            return 0;
        const int number = ::dm_task_get_errno(task_.get());
        return number ? number : EIO;
    }
    /// With the info in `info`; false when there is no such device.
    bool run_for(dm_info& info, const std::string& what) const {
        if (const int number = run(); number == ENXIO)
            return false;
        else if (number)
            throw errno_error(what, number);
        return ::dm_task_get_info(task_.get(), &info) && info.exists;
    }
    dm_task* get() const noexcept { return task_.get(); }

private:
    std::unique_ptr<dm_task, void (*)(dm_task*)> task_;
};

Task by_uuid(int type, const std::string& name) {
    Task task(type);
    task.want(::dm_task_set_uuid(task.get(), uuid_of(name).c_str()));
    return task;
}

std::string numbers(dev_t device) {
    return std::to_string(major(device)) + ":" + std::to_string(minor(device));
}

/// The node may be there without the driver.
bool available() {
    return static_cast<bool>(OwnedFd(::open(control, O_RDWR | O_CLOEXEC)));
}

} // namespace

uint32_t chunk_of_table(std::string_view words) {
    std::istringstream fields{std::string(words)};
    std::string origin, cow, kind;
    uint32_t chunk = 0;
    return fields >> origin >> cow >> kind >> chunk && (kind == "P" || kind == "PO") ? chunk : 0;
}

Mapper::Mapper() {
    ::dm_log_with_errno_init(hear);
    // No waiting for udev: nodes of these devices are made where they are needed.
    ::dm_udev_set_sync_support(0);
}

void Mapper::require() const {
    if (!available())
        throw Error(ErrorCode::Unavailable, "this host has no device-mapper",
                    "its kernel needs the module dm_snapshot: modprobe dm_snapshot");
}

void Mapper::create(const std::string& name, const SnapshotTable& table) {
    constexpr uint32_t flags = DM_UDEV_PRIMARY_SOURCE_FLAG | DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG |
                               DM_UDEV_DISABLE_DISK_RULES_FLAG | DM_UDEV_DISABLE_OTHER_RULES_FLAG;
    const auto parameters =
        numbers(table.origin) + " " + numbers(table.cow) + " P " + std::to_string(snapshot_chunk);
    const std::lock_guard lock(mutex_);
    const auto task = by_uuid(DM_DEVICE_CREATE, name);
    task.want(::dm_task_set_name(task.get(), name.c_str()));
    task.want(::dm_task_add_target(task.get(), 0, table.sectors, "snapshot", parameters.c_str()));
    task.want(::dm_task_set_event_nr(task.get(), flags << DM_UDEV_FLAGS_SHIFT));
    if (const int number = task.run(); number == EBUSY)
        throw Error(ErrorCode::Busy, "there is a device-mapper device " + name + " already");
    else if (number)
        throw errno_error("make the snapshot " + name, number)
            .with_hint("is the kernel's module dm_snapshot there? modprobe dm_snapshot");
}

std::optional<MappedDevice> Mapper::find(const std::string& name) {
    const std::lock_guard lock(mutex_);
    dm_info info{};
    if (!by_uuid(DM_DEVICE_INFO, name).run_for(info, "look at the snapshot " + name))
        return std::nullopt;
    return MappedDevice{makedev(info.major, info.minor), info.open_count > 0};
}

std::string Mapper::target_words(int type, const std::string& name) {
    const std::lock_guard lock(mutex_);
    const auto task = by_uuid(type, name);
    dm_info info{};
    if (!task.run_for(info, "ask for the state of " + name))
        throw Error(ErrorCode::NotFound, "the snapshot " + name + " is gone", "create it anew");
    uint64_t start = 0;
    uint64_t length = 0;
    char* target = nullptr;
    char* words = nullptr;
    ::dm_get_next_target(task.get(), nullptr, &start, &length, &target, &words);
    return words ? words : "";
}

void Mapper::check_valid(const std::string& name) {
    // "used/total metadata" of an intact one (snapshot.rst, "How to determine when a snapshot is full").
    if (const auto state = target_words(DM_DEVICE_STATUS, name);
        state.empty() || state[0] < '0' || state[0] > '9')
        throw Error(ErrorCode::FailedPrecondition, "the snapshot is lost: " + state,
                    "its copy-on-write file was too small, or could not be read; begin with a new one");
}

void Mapper::check_chunk(const std::string& name) {
    if (chunk_of_table(target_words(DM_DEVICE_TABLE, name)) == snapshot_chunk)
        return;
    remove(name);
    throw Error(ErrorCode::FailedPrecondition,
                "the cow's chunks are not of " + std::to_string(snapshot_chunk) + " sectors",
                "begin with a new, empty file, and write nothing to it");
}

bool Mapper::remove_once(const std::string& name) {
    const std::lock_guard lock(mutex_);
    const int number = by_uuid(DM_DEVICE_REMOVE, name).run();
    if (number && number != ENXIO && number != EBUSY)
        throw errno_error("remove the snapshot " + name, number);
    return number != EBUSY;
}

void Mapper::remove(const std::string& name) {
    if (!available())
        return; // no device-mapper, no device
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!remove_once(name)) {
        if (std::chrono::steady_clock::now() > deadline)
            throw Error(ErrorCode::Busy, "the snapshot " + name + " is in use",
                        "`lsof /dev/mapper/" + name + "` tells by whom");
        std::this_thread::sleep_for(look_again); // device-mapper tells nobody when a device is closed
    }
}

std::vector<std::string> Mapper::names() {
    std::vector<std::string> found;
    if (!available())
        return found;
    const std::lock_guard lock(mutex_);
    const Task task(DM_DEVICE_LIST);
    if (const int number = task.run())
        throw errno_error("list the device-mapper devices", number);
    const dm_names* entry = ::dm_task_get_names(task.get());
    for (uint32_t next = entry && entry->dev ? 1 : 0; next;) {
        const std::string name(entry->name);
        dm_info info{};
        if (name.starts_with(name_prefix) && by_uuid(DM_DEVICE_INFO, name).run_for(info, "look at " + name))
            found.push_back(name);
        next = entry->next;
        entry = reinterpret_cast<const dm_names*>(reinterpret_cast<const char*>(entry) + next);
    }
    return found;
}

} // namespace banger::helper
