// Storage's checks: of the files before they become a disk, and of the filesystem on it.
#include "base/process.hpp"
#include "bus/errors.hpp"
#include "helper/block.hpp"
#include "helper/disk_child.hpp"
#include "helper/filesystems.hpp"
#include "helper/network.hpp"
#include "helper/storage.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>

namespace banger::helper {

namespace {

constexpr std::chrono::minutes patience{5};
constexpr const char* prlimit_program = "/usr/bin/prlimit";
constexpr size_t most_words = 64 << 10;

uint32_t number_at(std::string_view bytes, size_t at) {
    uint32_t value = 0;
    for (size_t i = 4; i-- > 0;)
        value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
}

/// With nothing but the device: what is on it is a guest's.
ProcessSpec check_command(int node, bool force) {
    ProcessSpec spec;
    spec.program = prlimit_program;
    spec.arguments = {"--core=0",
                      "--nofile=64",
                      "--nproc=16",
                      "--cpu=" + std::to_string(std::chrono::seconds(patience).count()),
                      "--as=" + std::to_string(uint64_t{768} << 20),
                      "--",
                      find_program("e2fsck", "e2fsprogs"),
                      "-p"};
    if (force)
        spec.arguments.emplace_back("-f");
    spec.arguments.push_back("/proc/self/fd/" + std::to_string(node));
    spec.inherited = {node};
    return spec;
}

/// Worker's work.
void check_filesystem(Mapper& mapper, DiskChildren& children, const std::string& name, unsigned owner,
                      bool force) {
    const auto found = mapper.find(name);
    if (!found)
        throw Error(ErrorCode::NotFound, "the snapshot " + name + " is gone", "create it anew");
    mapper.check_valid(name);
    if (found->in_use)
        throw Error(ErrorCode::Busy, "the snapshot " + name + " is in use");
    const auto id = disk_child_id(owner);
    const DeviceNode node(found->device);
    node.give(id);
    const auto result = children.run(check_command(node.get(), force), id, {patience, most_words});
    judge_check(result.status, result.output + result.errors);
}

} // namespace

void check_cow_header(std::string_view bytes) {
    constexpr uint32_t snap_magic = 0x70416e53; // "SnAp"
    if (bytes.size() < 16)
        throw Error(ErrorCode::FailedPrecondition, "the cow is too short");
    if (std::all_of(bytes.begin(), bytes.begin() + 16, [](char c) { return c == 0; }))
        return;
    const std::string hint = "begin with a new, empty file";
    if (number_at(bytes, 0) != snap_magic || number_at(bytes, 8) != 1)
        throw Error(ErrorCode::FailedPrecondition, "the cow holds something else than a snapshot", hint);
    if (number_at(bytes, 4) != 1)
        throw Error(ErrorCode::FailedPrecondition, "the cow's snapshot is lost: it was full once", hint);
    if (number_at(bytes, 12) != snapshot_chunk)
        throw Error(ErrorCode::FailedPrecondition,
                    "the cow's chunks are not of " + std::to_string(snapshot_chunk) + " sectors", hint);
}

DiskFile check_disk_file(int fd, unsigned uid, Access access, uint64_t most, const std::string& what) {
    check_file(fd, uid, access, what);
    struct stat status{};
    if (::fstat(fd, &status) < 0)
        throw_errno("stat " + what);
    if (::fcntl(fd, F_GETFL) & O_APPEND)
        throw Error(ErrorCode::FailedPrecondition, "the descriptor of " + what + " was opened to append");
    check_holds_disks(fd, what);
    const auto size = static_cast<uint64_t>(std::max<off_t>(0, status.st_size));
    if (size < least_disk || size > most || size % 512 != 0)
        throw Error(ErrorCode::FailedPrecondition,
                    what + " has " + std::to_string(size) + " bytes; it must be a multiple of 512 from " +
                        std::to_string(least_disk) + " to " + std::to_string(most));
    return {{status.st_dev, status.st_ino}, size};
}

void judge_check(int status, const std::string& words) {
    constexpr int corrected = 1 | 2; // 2: and the system should be restarted, were it mounted
    if ((status & ~corrected) == 0)
        return;
    if (status < 16 && (status & 4))
        throw Error(ErrorCode::FailedPrecondition,
                    "the filesystem has errors that e2fsck does not correct by itself",
                    "run e2fsck by hand, or begin with a new cow")
            .with_details(words);
    throw Error(ErrorCode::FailedPrecondition, "e2fsck ended with status " + std::to_string(status))
        .with_details(words);
}

void Storage::perform(const Key& grant, const CheckSnapshot& request, const Done<Nothing>& done) {
    lanes_.enter(vm_lane(grant.owner().uid, request.vm), [=, this, owner = grant.owner()](const Turn& turn) {
        guarded(done, [&] { check(owner, request, turn, done); });
    });
}

void Storage::check(const install::Owner& owner, const CheckSnapshot& request, const Turn& turn,
                    const Done<Nothing>& done) {
    const auto* known = ledger_.vm(owner.uid, request.vm);
    if (!known || !known->snapshot || known->snapshot->step != Step::Made)
        throw Error(ErrorCode::NotFound, "the VM has no snapshot", "create it first");
    if (known->vmm && known->vmm->state != VmmState::Exited)
        throw Error(ErrorCode::FailedPrecondition, "the VM's VMM is running", "kill it first");
    workers_.run<Nothing>(
        owner.uid,
        [this, uid = owner.uid, name = snapshot_name(owner.uid, request.vm), force = request.force] {
            check_filesystem(mapper_, children_, name, uid, force);
            return Nothing{};
        },
        [turn, done](Outcome<Nothing> outcome) { done(std::move(outcome)); });
}

} // namespace banger::helper
