// What the methods ask for, parsed: a value of these types holds nothing unchecked. Parsing touches nothing
// on the host.
#pragma once

#include "base/fd.hpp"
#include "base/names.hpp"
#include "base/net_types.hpp"
#include "bus/options.hpp"
#include "helper/gate.hpp"
#include "helper/image_request.hpp"

#include <optional>
#include <string>
#include <vector>

namespace banger::helper {

struct EnsureBridge {
    BridgeName bridge;
    Ipv4Cidr address;
    Subject subject() const { return {{}, bridge}; }
};
struct DeleteBridge {
    BridgeName bridge;
    Subject subject() const { return {{}, bridge}; }
};
struct CreateTap {
    VmId vm;
    BridgeName bridge;
    bool isolated = true;
    Subject subject() const { return {vm, bridge}; }
};
struct DeleteTap {
    VmId vm;
    Subject subject() const { return {vm, {}}; }
};

struct SetNat {
    VmId vm;
    Ipv4Address address;
    bool on = false;
    Subject subject() const { return {vm, {}, on}; }
};
struct SetResolver {
    BridgeName bridge;
    Ipv4Address server;
    uint16_t port = 0;
    Subject subject() const { return {{}, bridge}; }
};
struct ClearResolver {
    BridgeName bridge;
    Subject subject() const { return {{}, bridge}; }
};

struct CreateSnapshot {
    VmId vm;
    OwnedFd rootfs;
    OwnedFd cow;
    Subject subject() const { return {vm, {}}; }
};
struct CheckSnapshot {
    VmId vm;
    bool force = false; ///< look through a filesystem that says it is clean, too
    Subject subject() const { return {vm, {}}; }
};
struct RemoveSnapshot {
    VmId vm;
    Subject subject() const { return {vm, {}}; }
};

/// ReadImageFile and WriteImageFiles.
struct AccessImage {
    VmId vm;
    ImageRequest request;
    OwnedFd image; ///< empty: the VM's snapshot
    Subject subject() const { return {vm, {}}; }
    size_t bytes() const noexcept; ///< of the files to write
};
using GivenImageFiles =
    std::vector<sdbus::Struct<std::string, std::vector<uint8_t>, uint32_t, uint32_t, uint32_t>>;

enum class VmmKind { Qemu, Firecracker, Null };

/// A name below /drives in the jail: 1 to 32 of [a-z0-9-].
class DriveName : public Name<DriveName> {
public:
    static DriveName parse(std::string_view text);

private:
    using Name::Name;
};

struct Drive {
    DriveName name;
    bool read_only = true;
    OwnedFd file;
};

struct Launch {
    VmId vm;
    VmmKind kind = VmmKind::Qemu;
    OwnedFd kernel; ///< empty only for Null; the same for initrd
    OwnedFd initrd;
    std::vector<Drive> drives;
    bool tap = false;
    OwnedFd console;
    uint32_t vcpus = 1;
    uint32_t memory_mib = 16;
    std::string null_mode;
    Subject subject() const { return {vm, {}}; }
};
struct Inspect {
    VmId vm;
    Subject subject() const { return {vm, {}}; }
};
struct List {
    Subject subject() const { return {}; }
};
struct SendSignal {
    VmId vm;
    SignalName signal;
    Subject subject() const { return {vm, {}}; }
};
struct AwaitEnd {
    VmId vm;
    std::string sender; ///< who waits: its unique bus name
    Subject subject() const { return {vm, {}}; }
};
struct Kill {
    VmId vm;
    Subject subject() const { return {vm, {}}; }
};
struct Cleanup {
    VmId vm;
    Subject subject() const { return {vm, {}}; }
};

/// Throws InvalidArgument unless it is a host's private address inside its network.
EnsureBridge parse_ensure_bridge(std::string_view bridge, std::string_view address);
/// Throws InvalidArgument for port 0.
SetResolver parse_set_resolver(std::string_view bridge, std::string_view server, uint16_t port);
/// Take the option `image`; throw InvalidArgument.
AccessImage parse_read_image(std::string_view vm, std::string_view path, bus::Options& options);
AccessImage parse_write_image(std::string_view vm, const GivenImageFiles& files, bus::Options& options);
/// Takes the options of Launch; throws InvalidArgument. Descriptors are the request's from then on, looked
/// into only later.
Launch parse_launch(std::string_view vm, bus::Options& options);

/// FailedPrecondition unless `fd` is a regular file of `uid`, opened so that it can be read (and written,
/// with `write`), and not with O_PATH, on a filesystem that answers by itself (filesystems.hpp). May block,
/// where it is not: for workers. `what` names it in errors.
enum class Access { Read, Write, ReadWrite };
void check_file(int fd, unsigned uid, Access access, const std::string& what);

} // namespace banger::helper
