// The ledger: who owns which tap, bridge, jail and VMM. One file per VM and per bridge in a folder that only
// root can read; the helper may die at any moment and the next one finds all that this one made.
#pragma once

#include "helper/record.hpp"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace banger::helper {

inline constexpr const char* runtime_folder = "/run/banger";
inline constexpr const char* ledger_folder = "/run/banger/ledger";

/// For the loop's thread. Each change is in its file, whole, before the call returns.
class Ledger {
public:
    /// Opens the folder (0700, root's; FailedPrecondition when it is someone else's or a symlink) and reads
    /// what is there. A file that does not parse is moved aside as corrupt-… and logged: it must not stop the
    /// helper from serving the rest.
    explicit Ledger(std::string folder = ledger_folder);

    /// Null when nothing is known of it. The pointer holds until the next change.
    const VmRecord* vm(uint32_t uid, const VmId& vm) const noexcept;
    const BridgeRecord* bridge(const BridgeName& name) const noexcept;
    /// The VM, of any owner, whose tap has this name.
    const VmRecord* tap_holder(const TapName& name) const noexcept;
    /// The VM, of any owner, whose guest has this address.
    const VmRecord* address_holder(const Ipv4Address& address) const noexcept;
    /// The VM, of any owner, whose snapshot reads or writes this file.
    const VmRecord* file_holder(const FileId& file) const noexcept;
    /// The VM, of any owner, whose snapshot writes this file.
    const VmRecord* cow_holder(const FileId& file) const noexcept;
    /// Whether IP forwarding is on because the helper switched it on.
    const std::optional<ForwardingRecord>& forwarding() const noexcept { return forwarding_; }

    std::vector<VmRecord> vms() const;
    std::vector<VmRecord> vms_of(uint32_t uid) const;
    std::vector<BridgeRecord> bridges() const;
    size_t count_vms_of(uint32_t uid) const noexcept;
    size_t count_snapshots_of(uint32_t uid) const noexcept;
    /// What the cows of an owner's other VMs have together.
    uint64_t cow_bytes_beside(uint32_t uid, const VmId& vm) const noexcept;
    size_t count_bridges_of(uint32_t uid) const noexcept;
    size_t count_taps_on(const BridgeName& name) const noexcept;

    /// Writes the record down; an empty one is erased.
    void put(const VmRecord& record);
    void put(const BridgeRecord& record);
    void put(const ForwardingRecord& record);
    void erase(const BridgeName& name);
    void erase_forwarding();

private:
    using VmKey = std::pair<uint32_t, std::string>;

    void load();
    void load_file(const std::string& name);
    void set_aside(const std::string& name, const std::string& why) const;
    std::string vm_path(uint32_t uid, const VmId& vm) const;
    std::string bridge_path(const BridgeName& name) const;

    std::string folder_;
    std::map<VmKey, VmRecord> vms_;
    std::map<std::string, BridgeRecord> bridges_;
    std::optional<ForwardingRecord> forwarding_;
};

} // namespace banger::helper
