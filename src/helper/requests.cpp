#include "helper/requests.hpp"

#include "base/error.hpp"
#include "helper/filesystems.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>

namespace banger::helper {

namespace {

constexpr size_t most_drives = 8;
constexpr uint32_t most_vcpus = 32;
constexpr uint32_t least_memory_mib = 16;

[[noreturn]] void refuse(const std::string& what, std::string hint = {}) {
    throw Error(ErrorCode::InvalidArgument, what, std::move(hint));
}

uint32_t host_memory_mib() {
    const auto pages = static_cast<uint64_t>(std::max(0L, ::sysconf(_SC_PHYS_PAGES)));
    const auto bytes = pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
    return static_cast<uint32_t>(std::clamp<uint64_t>(bytes >> 20, least_memory_mib, UINT32_MAX));
}

std::vector<Drive> take_drives(bus::Options& options) {
    using Given = std::vector<sdbus::Struct<std::string, bool, sdbus::UnixFd>>;
    auto given = options.take_or<Given>("drives", {});
    if (given.size() > most_drives)
        refuse("at most " + std::to_string(most_drives) + " drives");
    std::vector<Drive> drives;
    std::set<std::string> names;
    for (auto& entry : given) {
        Drive drive{DriveName::parse(std::get<0>(entry)), std::get<1>(entry),
                    OwnedFd(std::get<2>(entry).release())};
        if (!names.insert(drive.name.str()).second)
            refuse("two drives are called " + drive.name.str());
        drives.push_back(std::move(drive));
    }
    return drives;
}

VmmKind vmm_kind(const std::string& text) {
    if (text == "qemu")
        return VmmKind::Qemu;
    if (text == "firecracker")
        return VmmKind::Firecracker;
    if (text == "null")
        return VmmKind::Null;
    refuse("unknown vmm", "qemu, firecracker or null");
}

} // namespace

DriveName DriveName::parse(std::string_view text) {
    const auto is_fine = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
    if (text.empty() || text.size() > 32 || !std::all_of(text.begin(), text.end(), is_fine))
        refuse("not a valid drive name", "1 to 32 of a-z, 0-9 and -");
    return DriveName(std::string(text));
}

EnsureBridge parse_ensure_bridge(std::string_view bridge, std::string_view address) {
    EnsureBridge request{BridgeName::parse(bridge), Ipv4Cidr::parse(address)};
    const auto& cidr = request.address;
    // Both ends of the network, lest a short prefix reaches out of the private range.
    if (!cidr.network().is_private() || !cidr.broadcast().is_private())
        refuse(cidr.str() + " is not inside a private network",
               "use a part of 10/8, 172.16/12 or 192.168/16");
    if (cidr.prefix() < 31 && (cidr.address() == cidr.network() || cidr.address() == cidr.broadcast()))
        refuse(cidr.str() + " names no host of its network",
               "the bridge wants an address inside, such as 172.30.1.1/24");
    return request;
}

SetResolver parse_set_resolver(std::string_view bridge, std::string_view server, uint16_t port) {
    SetResolver request{BridgeName::parse(bridge), Ipv4Address::parse(server), port};
    if (port == 0)
        refuse("no server listens on port 0", "a port from 1 to 65535");
    return request;
}

size_t AccessImage::bytes() const noexcept {
    size_t sum = 0;
    for (const auto& file : request.files)
        sum += file.content.size();
    return sum;
}

AccessImage parse_read_image(std::string_view vm, std::string_view path, bus::Options& options) {
    auto image = options.take_fd("image");
    return {VmId::parse(vm), {false, {{ImagePath::parse(path), {}}}}, std::move(image)};
}

AccessImage parse_write_image(std::string_view vm, const GivenImageFiles& files, bus::Options& options) {
    auto image = options.take_fd("image");
    AccessImage access{VmId::parse(vm), {true, {}}, std::move(image)};
    if (files.size() > most_image_files)
        refuse("at most " + std::to_string(most_image_files) + " files");
    for (const auto& given : files) {
        const auto& content = std::get<1>(given);
        access.request.files.push_back({ImagePath::parse(std::get<0>(given)),
                                        std::string(content.begin(), content.end()), std::get<2>(given),
                                        std::get<3>(given), std::get<4>(given)});
    }
    check_image_files(access.request.files);
    return access;
}

Launch parse_launch(std::string_view vm, bus::Options& options) {
    // In the order of the members. All descriptors are taken before anything is refused: dropped, they are
    // closed.
    Launch request{VmId::parse(vm),
                   vmm_kind(options.require<std::string>("vmm")),
                   options.take_fd("kernel"),
                   options.take_fd("initrd"),
                   take_drives(options),
                   options.take_or("tap", false),
                   options.take_fd("console"),
                   options.take_number("vcpus", 1, 1, most_vcpus),
                   options.take_number("memory-mib", least_memory_mib, least_memory_mib, host_memory_mib()),
                   options.take_or<std::string>("null-mode", "")};
    options.finish();
    if (request.kind != VmmKind::Null && (!request.kernel || !request.initrd))
        refuse("a VMM needs the options kernel and initrd");
    if (request.kind != VmmKind::Null && !request.null_mode.empty())
        refuse("null-mode goes with vmm=null only");
    if (!request.null_mode.empty() && request.null_mode != "never-ready" &&
        request.null_mode != "die-at-start")
        refuse("unknown null-mode", "never-ready or die-at-start");
    return request;
}

void check_file(int fd, unsigned uid, Access access, const std::string& what) {
    const auto fail = [&](const std::string& why) {
        throw Error(ErrorCode::FailedPrecondition, "the descriptor of " + what + " " + why,
                    "pass a regular file of your own, opened as it is to be used");
    };
    struct stat status{};
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fstat(fd, &status) < 0)
        fail("is not usable");
    if (flags & O_PATH)
        fail("was opened with O_PATH, which grants nothing");
    if (!S_ISREG(status.st_mode))
        fail("is not a regular file");
    if (status.st_uid != uid)
        fail("is not a file of yours");
    if (status.st_nlink == 0)
        fail("is of a file that was deleted, or of memory");
    check_answers(fd, what);
    const int mode = flags & O_ACCMODE;
    if (access != Access::Write && mode == O_WRONLY)
        fail("is not readable");
    if (access != Access::Read && mode == O_RDONLY)
        fail("is not writable");
}

} // namespace banger::helper
