#include "helper/image_files.hpp"

#include "bus/errors.hpp"
#include "helper/block.hpp"
#include "helper/network.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <memory>

namespace banger::helper {

namespace {

/// QEMU, for one, locks the disks that it has open (OFD locks, fcntl(2)); whoever holds a lock of any kind
/// has the file in use.
void check_unlocked(int file, bool write) {
    struct flock lock{};
    lock.l_type = write ? F_WRLCK : F_RDLCK;
    lock.l_whence = SEEK_SET;
    if (::fcntl(file, F_OFD_GETLK, &lock) < 0)
        throw_errno("look for locks of the image");
    if (lock.l_type != F_UNLCK)
        throw Error(ErrorCode::Busy, "another process has locked the image", "stop the VM that uses it");
}

/// Worker's work.
std::string in_snapshot(Mapper& mapper, DiskChildren& children, const std::string& name, unsigned owner,
                        const ImageRequest& request) {
    const auto found = mapper.find(name);
    if (!found)
        throw Error(ErrorCode::NotFound, "the snapshot " + name + " is gone", "create it anew");
    mapper.check_valid(name);
    const auto device = DeviceNode(found->device).open_exclusively(request.write ? O_RDWR : O_RDONLY);
    return run_image_child(children, device.get(), owner, request);
}

} // namespace

ImageFiles::ImageFiles(Ledger& ledger, Lanes& lanes, Workers& workers, Mapper& mapper, DiskChildren& children)
    : ledger_(ledger)
    , lanes_(lanes)
    , workers_(workers)
    , mapper_(mapper)
    , children_(children) {}

void ImageFiles::perform(const Key& grant, AccessImage request, const Done<std::string>& done) {
    const auto held = std::make_shared<AccessImage>(std::move(request));
    lanes_.enter(vm_lane(grant.owner().uid, held->vm),
                 [=, this, owner = grant.owner(), op = grant.op_id()](const Turn& turn) {
                     const OpScope scope(op);
                     guarded(done, [&] { access(owner, std::move(*held), turn, done); });
                 });
}

void ImageFiles::access(const install::Owner& owner, AccessImage request, const Turn& turn,
                        const Done<std::string>& done) {
    const auto* known = ledger_.vm(owner.uid, request.vm);
    if (known && known->vmm && known->vmm->state != VmmState::Exited)
        throw Error(ErrorCode::FailedPrecondition, "the VM's VMM is running",
                    "stop it first, or ask its guest");
    if (request.image)
        return with_file(owner, std::move(request), turn, done);
    if (!known || !known->snapshot || known->snapshot->step != Step::Made)
        throw Error(ErrorCode::NotFound, "the VM has no snapshot", "create it, or pass an image");
    workers_.run<std::string>(
        owner.uid,
        [this, uid = owner.uid, name = snapshot_name(owner.uid, request.vm),
         what = std::move(request.request)] { return in_snapshot(mapper_, children_, name, uid, what); },
        [turn, done](Outcome<std::string> outcome) { done(std::move(outcome)); });
}

void ImageFiles::with_file(const install::Owner& owner, AccessImage request, const Turn& turn,
                           const Done<std::string>& done) {
    const auto held = std::make_shared<AccessImage>(std::move(request));
    const auto file = std::make_shared<DiskFile>();
    const bool write = held->request.write;
    workers_.run<Nothing>(
        owner.uid,
        [=] {
            *file = check_disk_file(held->image.get(), owner.uid, write ? Access::ReadWrite : Access::Read,
                                    most_rootfs, "the image");
            check_unlocked(held->image.get(), write);
            return Nothing{};
        },
        [=, this](Outcome<Nothing> outcome) {
            guarded(done, [&] {
                if (const auto* error = std::get_if<Error>(&outcome))
                    throw Error(*error);
                // A disk must not change below a snapshot, nor be read while it is half-written.
                if (write ? ledger_.file_holder(file->id) : ledger_.cow_holder(file->id))
                    throw Error(ErrorCode::Busy, "a snapshot uses the image", "remove it first");
                workers_.run<std::string>(
                    owner.uid,
                    [=, this] {
                        return run_image_child(children_, held->image.get(), owner.uid, held->request);
                    },
                    [turn, done](Outcome<std::string> answer) { done(std::move(answer)); });
            });
        });
}

} // namespace banger::helper
